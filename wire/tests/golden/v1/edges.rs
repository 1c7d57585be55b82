//! Edge ids: sender and receiver derive them apart from each other, so they are part of the
//! protocol.

use crate::documented;
use egret_topology::id::{Incarnation, TaskId};
use egret_wire::edge_id::{EdgeIds, mix};

#[test]
fn edge_ids_keep_their_values() {
    assert_eq!(mix(1), 0x5692_161d_100b_05e5);
    let now = 1_700_000_000_000_000;
    for (key, source, incarnation, dest, counter, id) in [
        (0, 0, 0, 0, 0, 1),
        (1, 0, 1, 1, 0, 0x37be_0089_7415_12ff),
        (1, 0, 1, 1, 1, 0x664f_ea46_c826_7628),
        (0x0123_4567_89ab_cdef, 3, now, 7, 0, 0xecf3_aba5_1c73_35a3),
        (0x0123_4567_89ab_cdef, 3, now, 7, 41, 0x9a4e_bc02_d4fa_55f0),
        (u64::MAX, u32::MAX, u64::MAX, u32::MAX, u64::MAX, 0xb707_fc78_44e0_b711),
    ] {
        let ids = EdgeIds::new(key, TaskId(source), Incarnation(incarnation), TaskId(dest));
        assert_eq!(ids.id(counter), id, "{:016x} at {counter}", ids.id(counter));
        documented(&format!("| `{id:016x}` |"));
    }
}
