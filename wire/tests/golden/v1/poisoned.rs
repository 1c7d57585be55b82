//! What is said of the tuple that user code has panicked at.

use super::control::{ROOT, ROOT_JSON, is};
use egret_topology::id::TaskId;
use egret_wire::control::{FromInstance, LossScope, Peer, Poisoned, ToInstance};

fn poisoned() -> Poisoned {
    Poisoned { roots: vec![ROOT], cause: "`count` panicked: no number".into() }
}

fn poisoned_json() -> String {
    let (_, root) = ROOT_JSON.split_once(':').unwrap();
    format!(r#""poisoned":{{"roots":[{root}],"cause":"`count` panicked: no number"}}"#)
}

#[test]
fn the_end_of_a_life_and_its_loss_keep_their_json() {
    is(
        FromInstance::Broken { error: "it panicked".into(), poisoned: Some(poisoned()) },
        &format!(r#"{{"type":"broken","error":"it panicked",{}}}"#, poisoned_json()),
    );
    is(
        ToInstance::Loss { scope: LossScope::Task { task: TaskId(1) }, poisoned: Some(poisoned()) },
        &format!(r#"{{"type":"loss","kind":"task","task":1,{}}}"#, poisoned_json()),
    );
    is(
        Peer::Loss {
            number: 5,
            scope: LossScope::Task { task: TaskId(1) },
            poisoned: Some(poisoned()),
        },
        &format!(
            r#"{{"type":"loss","number":5,"scope":{{"kind":"task","task":1}},{}}}"#,
            poisoned_json()
        ),
    );
}
