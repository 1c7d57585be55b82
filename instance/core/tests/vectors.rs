//! Key groups as `docs/protocol.md` (section 8) publishes them: who computes them elsewhere must
//! find the same task. The numbers come from another implementation of xxh3.

use egret_core::grouping::{KEY_SEED, key_group};
use egret_sdk::Value;
use egret_topology::grouping::{KEY_GROUPS, task_of_key_group};
use egret_wire::value;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const DOCUMENT: &str = include_str!("../../../docs/protocol.md");

/// Seed of the second choice of partial keys.
const SECOND_SEED: u64 = 0x4567_7265_7400_0002;

fn bytes(key: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    key.iter().for_each(|value| value::put(&mut out, value));
    out
}

#[test]
fn keys_keep_their_hash_and_groups() {
    assert_eq!((KEY_SEED, KEY_GROUPS), (0x4567_7265_7400_0001, 32_768));
    let text = |text: &str| Value::String(text.into());
    for (key, hash, first, second) in [
        (vec![], 0x3f72_8df4_431f_ee20, 28_192, 832),
        (vec![text("")], 0x2bce_8889_9e0f_f103, 28_931, 12_316),
        (vec![text("word")], 0x8ecd_24d3_e9c2_04fb, 1275, 14_691),
        (vec![text("the")], 0xa64e_4b14_3d3e_2123, 8483, 31_509),
        (vec![text("é")], 0xe324_0e87_dc98_a7c6, 10_182, 180),
        (vec![text(&"x".repeat(64))], 0x02b9_3e1a_8bec_254a, 9546, 5374),
        (vec![Value::Null], 0x7f41_1ee1_7c70_9763, 5987, 19_505),
        (vec![Value::Bool(true)], 0x8dc0_82cb_00a3_e256, 25_174, 25_972),
        (vec![Value::Int(0)], 0xa163_8ff7_39db_944a, 5194, 26_255),
        (vec![Value::Int(-1)], 0x8ba5_d56e_3793_b4c1, 13_505, 17_149),
        (vec![Value::Int(150)], 0xb3da_65fe_67f1_3add, 15_069, 32_676),
        (vec![Value::Float(0.5)], 0xc270_4feb_e7c8_5958, 22_872, 31_324),
        (vec![Value::Bytes(vec![0, 255])], 0xc705_0fd5_6eab_092d, 2349, 3078),
        (vec![Value::List(vec![Value::Int(1), text("x")])], 0xbfa6_ae71_d1ee_05a2, 1442, 4912),
        (vec![text("a"), Value::Int(1)], 0x2906_7857_b468_36ce, 14_030, 21_143),
    ] {
        let bytes = bytes(&key);
        assert_eq!(xxh3_64_with_seed(&bytes, KEY_SEED), hash, "{key:?}");
        assert_eq!(key_group(&bytes, KEY_SEED), first, "{key:?}");
        assert_eq!(key_group(&bytes, SECOND_SEED), second, "{key:?}");
        let (twelfth, fifth) = (task_of_key_group(first, 12), task_of_key_group(first, 5));
        let row = format!("| `{hash:016x}` | {first} | {second} | {twelfth} | {fifth} |");
        assert!(DOCUMENT.contains(&row), "docs/protocol.md does not show {key:?}: {row}");
    }
}

#[test]
fn key_groups_keep_their_tasks() {
    for (group, tasks, place) in [
        (0, 1, 0),
        (32_767, 1, 0),
        (1275, 12, 0),
        (8483, 12, 3),
        (28_931, 12, 10),
        (2730, 12, 0),
        (2731, 12, 1),
        (32_767, 12, 11),
        (8483, 5, 1),
        (25_174, 5, 3),
    ] {
        assert_eq!(task_of_key_group(group, tasks), place, "{group} of {tasks}");
    }
}
