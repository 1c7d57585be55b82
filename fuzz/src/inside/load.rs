//! The loader of `egret run`, `validate` and `plan`, without the files.

#[path = "../../../cli/src/load/environment.rs"]
pub(crate) mod environment;
#[path = "../../../cli/src/load/overrides.rs"]
pub(crate) mod overrides;
#[path = "../../../cli/src/load/positions.rs"]
pub(crate) mod positions;
#[path = "../../../cli/src/load/problem.rs"]
pub(crate) mod problem;
#[path = "../../../cli/src/load/shape.rs"]
pub(crate) mod shape;
#[path = "../../../cli/src/load/yaml.rs"]
pub(crate) mod yaml;
