//! The spec that is in force while another waits for its pods.

use serde_json::Value;

/// Fields that travel in a plan, and are taken over at once whatever else waits.
const AT_ONCE: [&str; 7] = [
    "deletionPolicy",
    "drainTimeout",
    "maxPending",
    "messageTimeout",
    "state",
    "tracing",
    "updateStrategy",
];

/// What was accepted, with what of a newer spec needs no other pods.
pub fn kept(accepted: &Value, newer: &Value) -> Value {
    let mut kept = accepted.clone();
    let Some(fields) = kept.as_object_mut() else { return kept };
    for field in AT_ONCE {
        match newer.get(field) {
            Some(value) => fields.insert(field.to_owned(), value.clone()),
            None => fields.remove(field),
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_state_does_not_wait_and_components_do() {
        let accepted = json!({"bolts": [1], "pods": 2, "maxPending": 5, "tracing": {}});
        let newer = json!({"bolts": [1, 2], "pods": 3, "state": "Stopped"});
        let expected = json!({"bolts": [1], "pods": 2, "state": "Stopped"});
        assert_eq!(kept(&accepted, &newer), expected);
    }
}
