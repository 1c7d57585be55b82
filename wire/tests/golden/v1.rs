//! The bytes of version 1. They stay as they are for as long as a build reads them: a later version
//! has a folder of its own beside this one.

mod control;
mod edges;
mod frames;
mod poisoned;
mod values;
