//! The whole topology inside a unit test: no processes, no clock, the same result every time.

use super::registry;
use egret_instance::{DEFAULT_STREAM, Value, testkit::TestTopology};

#[test]
fn every_word_of_the_topology_file_is_counted() {
    let run = TestTopology::new(registry())
        .feed("sentences", ["sentence"], [["the cow the moon".into()], ["The end".into()]])
        .bolt("split-sentence", 2, "{inputs: [{from: sentences}]}")
        .bolt(
            "count-words",
            3,
            "{inputs: [{from: split-sentence, grouping: Fields, fields: [word]}]}",
        )
        .run()
        .expect("the topology is sound");
    let mut counts = run.emitted("count-words", DEFAULT_STREAM);
    counts.sort_by_key(|tuple| format!("{tuple:?}"));
    let expected: [(&str, i64); 4] = [("cow", 1), ("end", 1), ("moon", 1), ("the", 3)];
    let expected = expected.map(|(word, count)| vec![Value::from(word), Value::from(count)]);
    assert_eq!(counts, expected);
    assert_eq!((run.roots().acked, run.roots().pending), (2, 0));
}
