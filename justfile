# The usual verbs. Each calls what can be called without just, too.

# what there is
default:
    @just --list

# all checks, as in CI; `just test --only clippy` for one stage
test *args:
    cargo xtask test {{args}}

# the house rules
tidy:
    cargo xtask tidy

# format everything
fmt:
    cargo fmt --all

# clippy with warnings as errors
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# the reference of all crates, in target/doc
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# run a topology: `just run examples/word-count.yaml --duration 10s`
run *args:
    cargo run --release -- run {{args}}

# simulated faults: `just sim --seeds 1000`, `just sim --seed 42 --verbose`
sim *args:
    cargo run --release --package egret-sim -- {{args}}

# Egret beside its peers: `just bench --quick`, `just bench --list`
bench *args:
    cargo xtask bench {{args}}

# licences, banned crates, sources (needs cargo-deny)
deny:
    cargo deny check bans licenses sources

# every decoder under libFuzzer (needs a C++ compiler): `just fuzz --seconds 60 --target data`
fuzz *args:
    cargo xtask fuzz {{args}}
