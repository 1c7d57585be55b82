//! Plans in a few words, for tests.

use egret_core::kit::Kit;
use egret_sdk::{Registry, Stream};
use egret_topology::{
    grouping::Grouping,
    id::{Epoch, PodId, TaskId},
    plan::{
        ComponentKind, Delivery, PhysicalPlan, PlanIndex, PlannedComponent, PlannedInput,
        PlannedPod, PlannedTask, RunState,
    },
};

/// A plan in the making; components are added in order, tasks numbered on.
pub(crate) struct Plan(PhysicalPlan);

impl Plan {
    pub(crate) fn new() -> Plan {
        Plan(PhysicalPlan {
            topology: "test".into(),
            uid: "test".into(),
            revision: 1,
            epoch: Epoch(1),
            state: RunState::Running,
            delivery: Delivery::AtLeastOnce,
            max_pending: 100,
            message_timeout_ms: 30_000,
            edge_key: 7,
            log_levels: Default::default(),
            tracing: None,
            rolling: Default::default(),
            restarted_at: None,
            max_rates: Default::default(),
            max_tries: Default::default(),
            components: vec![],
            pods: (0..2)
                .map(|i| PlannedPod { id: PodId(i), address: ([127, 0, 0, 1], 1).into() })
                .collect(),
            tasks: vec![],
        })
    }

    pub(crate) fn edit(mut self, edit: impl FnOnce(&mut PhysicalPlan)) -> Plan {
        edit(&mut self.0);
        self
    }

    pub(crate) fn spout(self, name: &str, tasks: u32, config: serde_json::Value) -> Plan {
        let streams = vec![Stream::default_of(["key", "n"])];
        self.component(name, ComponentKind::Spout, tasks, streams, vec![], config)
    }

    /// A bolt that receives the default stream of these components.
    pub(crate) fn bolt(self, name: &str, tasks: u32, inputs: &[(&str, Grouping)]) -> Plan {
        let streams = vec![Stream::default_of(["key", "n"])];
        let inputs = inputs
            .iter()
            .map(|(from, grouping)| PlannedInput {
                from: self.0.components.iter().position(|c| c.name == *from).unwrap(),
                stream: 0,
                grouping: grouping.clone(),
            })
            .collect();
        self.component(name, ComponentKind::Bolt, tasks, streams, inputs, serde_json::Value::Null)
    }

    fn component(
        mut self,
        name: &str,
        kind: ComponentKind,
        tasks: u32,
        streams: Vec<Stream>,
        inputs: Vec<PlannedInput>,
        config: serde_json::Value,
    ) -> Plan {
        let component = self.0.components.len();
        self.0.components.push(PlannedComponent {
            name: name.into(),
            kind,
            component: name.trim_end_matches(|c: char| c.is_ascii_digit()).into(),
            config,
            tick_ms: None,
            streams,
            inputs,
        });
        for index in 0..tasks {
            let id = TaskId(self.0.tasks.len() as u32);
            self.0.tasks.push(PlannedTask { id, component, index, pod: PodId(index % 2) });
        }
        self
    }

    pub(crate) fn index(self) -> PlanIndex {
        PlanIndex::new(self.0).unwrap()
    }

    pub(crate) fn kit(self, registry: Registry) -> Kit {
        Kit::new(self.index(), registry).unwrap()
    }
}

pub(crate) fn fields(names: &[&str]) -> Grouping {
    Grouping::Fields { fields: names.iter().map(|name| (*name).to_owned()).collect() }
}
