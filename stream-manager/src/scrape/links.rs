//! What passes over links, and what QUIC says of them.

use super::Socket;
use crate::{manager::Manager, quic::QuicCounts};
use egret_flow::{Counts, Link};
use egret_process::metrics::{Labels, Page, catalogue::links as l};
use egret_topology::plan::PlanIndex;

impl Manager {
    pub(super) fn add_links(&self, page: &mut Page, plan: &PlanIndex, sockets: &mut Vec<Socket>) {
        let flow = self.flow.borrow();
        for (link, counts) in flow.link_counts() {
            let Some((kind, peer)) = describe(plan, link) else { continue };
            let labels = [("link", kind), ("peer", peer.as_str())];
            page.add(&l::LINK_UP, &labels, f64::from(u8::from(flow.is_up(link))));
            page.add(&l::LINK_CONNECTS, &labels, counts.ups as f64);
            let mut add = |direction, class, counts: &Counts| {
                let [a, b] = labels;
                let labels: Labels<'_> = &[a, b, ("direction", direction), ("class", class)];
                page.add(&l::LINK_FRAMES, labels, counts.frames as f64);
                page.add(&l::LINK_ENTRIES, labels, counts.entries as f64);
                page.add(&l::LINK_BYTES, labels, counts.bytes as f64);
            };
            add("in", "data", &counts.data_in);
            add("in", "ack", &counts.ack_in);
            add("out", "data", &counts.data_out);
            add("out", "ack", &counts.ack_out);
            self.add_quic(page, plan, link, &labels, sockets);
        }
    }

    fn add_quic(
        &self,
        page: &mut Page,
        plan: &PlanIndex,
        link: Link,
        labels: Labels<'_>,
        sockets: &mut Vec<Socket>,
    ) {
        let mut counts = self.quic.of(link);
        if let Some((_, connection)) = self.links.connection(link) {
            counts = counts.plus(QuicCounts::of(&connection));
            let path = connection.stats().path;
            page.add(&l::QUIC_RTT, labels, path.rtt.as_secs_f64());
            page.add(&l::QUIC_MTU, labels, path.current_mtu.into());
            page.add(&l::QUIC_WINDOW, labels, path.cwnd as f64);
            // Instances share the network of their pod.
            if let Link::Instance(task) = link {
                let component = plan.component_of(task).map_or("", |component| &component.name);
                sockets.push(Socket {
                    port: connection.remote_address().port(),
                    process: "instance",
                    component: component.to_owned(),
                    task: task.to_string(),
                });
            }
        }
        page.add(&l::QUIC_SENT, labels, counts.sent as f64);
        page.add(&l::QUIC_LOST, labels, counts.lost as f64);
        page.add(&l::QUIC_CONGESTION, labels, counts.congestion as f64);
    }
}

/// Its labels, unless the plan has it no more.
fn describe(plan: &PlanIndex, link: Link) -> Option<(&'static str, String)> {
    match link {
        Link::Instance(task) => {
            let component = plan.component_of(task)?;
            Some(("instance", format!("{}/{task}", component.name)))
        }
        Link::Peer(pod) if (pod.0 as usize) < plan.plan().pods.len() => {
            Some(("peer", pod.to_string()))
        }
        Link::Peer(_) => None,
    }
}
