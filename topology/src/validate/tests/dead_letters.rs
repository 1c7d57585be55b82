//! What dead letters need, and what they add to a spout.

use super::*;

#[test]
fn a_spout_whose_roots_are_given_up_has_a_stream_for_their_dead_letters() {
    let mut spec = word_count();
    spec["spouts"][0]["maxTries"] = json!(3);
    spec["bolts"][2]["inputs"] = json!([{"from": "lines", "stream": "dead-letters"}]);
    let logical = validate(&resource(spec), &catalog()).unwrap();
    let lines = logical.component("lines").unwrap();
    assert_eq!(lines.max_tries, Some(3));
    let fields = ["line", "error", "component", "task", "tries"];
    assert_eq!(lines.streams[0], Stream::default_of(["line"]), "numbers of streams stay");
    assert_eq!(lines.streams[1..], [Stream::named("dead-letters", fields)]);
    let print = logical.component("print").unwrap();
    assert_eq!((print.inputs[0].from, print.inputs[0].stream), (0, 1));
}

#[test]
fn dead_letters_of_another_stream_have_its_name() {
    let found = problems(|spec| {
        spec["spouts"][0] = json!({
            "name": "odd", "maxTries": 1,
            "streams": [{"fields": ["a"]}, {"name": "late", "fields": ["b"]}],
        });
        spec["bolts"] = json!([{"name": "print", "inputs": [
            {"from": "odd"},
            {"from": "odd", "stream": "late.dead-letters", "grouping": "Fields", "fields": ["b"]},
            {"from": "odd", "stream": "dead-letters", "grouping": "Fields", "fields": ["tries"]},
        ]}]);
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn dead_letters_need_streams_and_fields_that_are_free() {
    let found = problems(|spec| {
        let long = "x".repeat(51);
        spec["spouts"].as_array_mut().unwrap().push(json!({
            "name": "odd", "maxTries": 1,
            "streams": [{"fields": ["task"]}, {"name": "dead-letters", "fields": []},
                        {"name": long, "fields": []}],
        }));
    });
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].contains("`odd` has a stream `dead-letters` of its own"), "{found:#?}");
    assert!(found[1].contains("`default` has a field `task`"), "{found:#?}");
    assert!(found[2].contains("a name that is shorter by 1"), "{found:#?}");
}
