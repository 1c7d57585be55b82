# The images for those who have Docker; `cargo xtask images` makes the same programs into OCI archives
# without it.
#
#   docker build --target operator       --tag egret.dev/operator:0.1.0 .
#   docker build --target stream-manager --tag egret.dev/stream-manager:0.1.0 .
#   docker build --target instance       --tag egret.dev/instance:0.1.0 .

FROM rust:1.95.0-bookworm AS build
# The image's own toolchain, as rust-toolchain.toml has it; what that file asks for beyond it is for
# those who change the code.
ENV RUSTUP_TOOLCHAIN=1.95.0
RUN apt-get update \
    && apt-get install --yes --no-install-recommends cmake \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /egret
COPY . .
RUN cargo xtask images --out /images \
    && mkdir -p /root-of-all/etc /root-of-all/tmp /programs \
    && printf 'root:x:0:0:root:/:/none\nnonroot:x:65532:65532:nonroot:/:/none\n' > /root-of-all/etc/passwd \
    && printf 'nonroot:x:65532:\n' > /root-of-all/etc/group \
    && chmod 1777 /root-of-all/tmp \
    && for program in operator stream-manager instance; do \
         cp target/static/*/release/egret-$program /programs/; \
       done

FROM scratch AS base
COPY --from=build /root-of-all /
USER 65532:65532

FROM base AS operator
COPY --from=build /programs/egret-operator /
ENTRYPOINT ["/egret-operator"]

FROM base AS stream-manager
COPY --from=build /programs/egret-stream-manager /
ENTRYPOINT ["/egret-stream-manager"]

FROM base AS instance
COPY --from=build /programs/egret-instance /
ENTRYPOINT ["/egret-instance"]
