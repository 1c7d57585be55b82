//! When a child that ended is spawned again.
