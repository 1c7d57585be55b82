//! Grafana's dashboards, from a few words per panel: `dashboards/*.json`.
//!
//! The JSON that Grafana reads has forty lines per panel, of which three say something; those are
//! here.

mod grafana;
mod links;
mod operator;
mod overview;
mod topology;

pub(crate) use grafana::Dashboard;

/// All of them.
pub(crate) fn all() -> [Dashboard; 4] {
    [overview::dashboard(), topology::dashboard(), links::dashboard(), operator::dashboard()]
}
