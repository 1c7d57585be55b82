//! What a process logs changes while it runs. A test of its own: there is one logging per process.

use egret_process::{Logging, logging};
use tracing::{Level, enabled};

#[test]
fn a_process_logs_what_it_is_asked_to_until_it_is_asked_no_more() {
    logging::set_level(Some("debug")).unwrap();
    logging::init(Logging { level: Some("warn".into()), ..Logging::default() }).unwrap();
    assert!(enabled!(Level::WARN) && !enabled!(Level::INFO));
    logging::set_level(Some("debug")).unwrap();
    assert!(enabled!(Level::DEBUG) && !enabled!(Level::TRACE));
    assert!(!enabled!(target: "quinn_proto::connection", Level::DEBUG), "packets are not told");
    logging::set_level(Some("error")).unwrap();
    assert!(!enabled!(Level::WARN) && !enabled!(target: "quinn", Level::INFO));
    let error = logging::set_level(Some("lo=ud")).unwrap_err().to_string();
    assert!(error.contains("cannot read the log level `lo=ud`"), "{error}");
    logging::set_level(None).unwrap();
    assert!(enabled!(Level::WARN) && !enabled!(Level::INFO));
}
