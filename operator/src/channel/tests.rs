//! What becomes of plans that are refused, over a real link.

use super::*;
use egret_link::{Endpoint, Windows, admit, control};
use egret_topology::id::Incarnation;
use egret_wire::control::{ALPN_CONTROL, FromOperator, ToOperator};
use serde_json::json;

const UID: &str = "u-1";
const POD: PodId = PodId(0);
/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn plan(at: SocketAddr) -> PlanIndex {
    let plan = json!({
        "topology": "t", "uid": UID, "revision": 7, "epoch": 1, "state": "Running",
        "delivery": "AtLeastOnce", "maxPending": 1, "messageTimeoutMs": 1000, "edgeKey": 1,
        "components": [{
            "name": "a", "kind": "spout", "component": "words", "config": null,
            "streams": [{"name": "default", "fields": ["word"], "direct": false}], "inputs": [],
        }],
        "pods": [{"id": 0, "address": at.to_string()}],
        "tasks": [{"id": 0, "component": 0, "index": 0, "pod": 0}],
    });
    PlanIndex::new(serde_json::from_value(plan).unwrap()).unwrap()
}

/// A stream manager whose disk is full for so many plans. How many it was given.
async fn full_for(times: u32, endpoint: Endpoint) -> u32 {
    let mut given = 0;
    let link = admit(endpoint.accept().await.unwrap()).await.unwrap().connection;
    let (mut answer, mut asked) = control::accept::<ToOperator, FromOperator>(&link).await.unwrap();
    while let Ok(Some(message)) = asked.recv().await {
        let said = match message {
            FromOperator::Hello { .. } => {
                ToOperator::Hello { pod: POD, incarnation: Incarnation(1), revision: 0 }
            }
            FromOperator::Plan(plan) => {
                given += 1;
                let refused = (given <= times).then(|| "no space left on device".to_owned());
                ToOperator::Plan { revision: plan.revision, refused }
            }
            _ => continue,
        };
        answer.send(&said).await.unwrap();
        if given > times {
            // It has gone when the operator's end has it.
            link.closed().await;
        }
    }
    given
}

#[tokio::test]
async fn a_plan_that_is_refused_is_pushed_again_until_it_is_taken() {
    let authority = Authority::new(UID).unwrap();
    let credentials = |identity: &Identity| {
        Credentials::from_pem(&authority.issue(identity, PATIENCE).unwrap()).unwrap()
    };
    let (manager, operator) = (
        credentials(&Identity::Pod { uid: UID.to_owned(), pod: POD }),
        credentials(&Identity::Operator { uid: UID.to_owned() }),
    );
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let endpoint = Endpoint::accepting(any, &manager, &[ALPN_CONTROL], Windows::default());
    let endpoint = endpoint.unwrap();
    let address = endpoint.local_address().unwrap();
    let full = tokio::spawn(full_for(2, endpoint));
    let dialing = Endpoint::dialing(any, &operator, Windows::default()).unwrap();
    let fleet = Fleet::new(dialing.clone(), UID);
    fleet.set_address(POD, address);
    let (shared, plan) = (Arc::new(Shared::default()), plan(address));
    shared.lock().plan = Some(plan.clone());
    let pushed = Arc::new(plan.plan().clone());
    let pushing = push(fleet, Arc::downgrade(&shared), pushed, Duration::from_millis(1));
    time::timeout(PATIENCE, pushing).await.unwrap();
    assert_eq!(shared.lock().refused, None);
    dialing.close(egret_link::endpoint::close::DONE, "done");
    assert_eq!(time::timeout(PATIENCE, full).await.unwrap().unwrap(), 3);
}
