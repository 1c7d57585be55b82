//! The targets: what takes bytes from outside, by name.

mod flow;
mod instance;
mod links;
mod looks;
mod operator;
mod plan;
mod state;
mod topology;
mod wire;

/// Something that bytes are fed to.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, that of its folder of seeds and of its corpus.
    pub name: &'static str,
    /// Bytes of an input, at most: longer ones are slower and say nothing new.
    pub max_len: usize,
    /// Panics if the bytes do harm.
    pub run: fn(&[u8]),
}

const fn of(name: &'static str, max_len: usize, run: fn(&[u8])) -> Target {
    Target { name, max_len, run }
}

/// All targets, in order of their names.
pub const TARGETS: [Target; 19] = [
    of("ack", 512, wire::ack),
    of("answers", 2048, operator::answers),
    of("control", 2048, wire::control),
    of("credentials", 2048, links::credentials),
    of("data", 512, wire::data),
    of("describe", 1024, topology::describe),
    of("flow", 2048, flow::flow),
    of("frames", 1024, wire::frames),
    of("identity", 128, links::identity),
    of("instance", 2048, instance::instance),
    of("look", 2048, looks::look),
    of("mutated", 512, wire::mutated),
    of("pending", 512, operator::pending),
    of("plan", 2048, plan::plan),
    of("preamble", 16, wire::preamble),
    of("resource", 4096, operator::resource),
    of("state", 2048, state::state),
    of("topology", 2048, topology::topology),
    of("value", 512, wire::value),
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
