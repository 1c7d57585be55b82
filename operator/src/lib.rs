//! Topology resources in, pods out.
