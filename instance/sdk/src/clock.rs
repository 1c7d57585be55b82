//! Time as components see it.

/// Nanoseconds of a monotonic clock that starts anywhere. Virtual in tests, so never mix it with
/// another.
pub type Nanos = u64;
