//! What of a spec can change while its tasks run: images, registered names, configs, ticks.

use serde_json::{Map, Value, json};

/// Fields of a component that its process reads when it starts, and of which no pod is made anew.
const FIELDS: [&str; 4] = ["image", "component", "config", "tick"];
const LISTS: [&str; 2] = ["spouts", "bolts"];

/// The definitions of a spec: its image, and those fields of each component.
pub fn of(spec: &Value) -> Value {
    let mut components = Map::new();
    for component in LISTS.iter().filter_map(|list| spec[*list].as_array()).flatten() {
        let Some(name) = component["name"].as_str() else { continue };
        let fields = FIELDS.iter().filter(|field| !component[**field].is_null());
        let fields = fields.map(|field| ((*field).to_owned(), component[*field].clone()));
        components.insert(name.to_owned(), Value::Object(fields.collect()));
    }
    json!({
        "image": spec["image"], "restartedAt": spec["restartedAt"], "components": components,
    })
}

/// The same where the image that no component has named is named.
pub fn named(mut definitions: Value, image: &str) -> Value {
    if definitions["image"].is_null() {
        definitions["image"] = image.into();
    }
    definitions
}

/// A spec with the definitions of another. Components that those do not have stay as they are, with
/// the image that they have had.
pub fn with(spec: &Value, definitions: &Value) -> Value {
    let mut with = spec.clone();
    let image = &spec["image"];
    put(&mut with, "image", &definitions["image"]);
    put(&mut with, "restartedAt", &definitions["restartedAt"]);
    for list in LISTS {
        for component in with[list].as_array_mut().into_iter().flatten() {
            let name = component["name"].as_str().unwrap_or_default().to_owned();
            match definitions["components"].get(&name) {
                Some(definition) => {
                    // A spout that was a bolt has no ticks.
                    let ticks = list == "bolts";
                    for field in FIELDS.iter().filter(|field| ticks || **field != "tick") {
                        put(component, field, &definition[*field]);
                    }
                }
                None if component["image"].is_null() => put(component, "image", image),
                None => {}
            }
        }
    }
    with
}

fn put(object: &mut Value, field: &str, value: &Value) {
    let Some(object) = object.as_object_mut() else { return };
    if value.is_null() {
        object.remove(field);
    } else {
        object.insert(field.to_owned(), value.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(image: &str, path: &str) -> Value {
        json!({
            "image": image, "maxPending": 5,
            "spouts": [{"name": "lines", "config": {"path": path}}],
            "bolts": [{"name": "count", "parallelism": 2, "tick": "1s"}],
        })
    }

    #[test]
    fn what_tasks_run_can_be_taken_from_one_spec_to_another() {
        let (old, new) = (spec("a:1", "x"), spec("a:2", "y"));
        assert_ne!(of(&old), of(&new));
        let mut expected = old.clone();
        expected["maxPending"] = json!(7);
        let mut other = new.clone();
        other["maxPending"] = json!(7);
        assert_eq!(with(&other, &of(&old)), expected);
        assert_eq!(with(&new, &of(&new)), new);
    }

    #[test]
    fn what_is_not_a_definition_makes_no_other_one() {
        let mut other = spec("a:1", "x");
        other["maxPending"] = json!(7);
        other["bolts"][0]["parallelism"] = json!(3);
        assert_eq!(of(&other), of(&spec("a:1", "x")));
    }

    #[test]
    fn an_image_is_named_only_if_nobody_has() {
        let plain = json!({"bolts": [{"name": "count"}]});
        assert_eq!(with(&plain, &named(of(&plain), "built-in:1"))["image"], "built-in:1");
        assert_eq!(named(of(&spec("a:1", "x")), "built-in:1"), of(&spec("a:1", "x")));
    }

    #[test]
    fn a_component_that_is_new_keeps_its_image() {
        let mut new = spec("a:2", "y");
        new["bolts"].as_array_mut().unwrap().push(json!({"name": "print"}));
        let mixed = with(&new, &of(&spec("a:1", "x")));
        assert_eq!((&mixed["image"], &mixed["bolts"][1]["image"]), (&json!("a:1"), &json!("a:2")));
    }
}
