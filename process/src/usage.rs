//! What this process uses: CPU time, memory, and what its sockets had to drop.

use rustix::time::{ClockId, clock_gettime};
use std::{
    collections::BTreeMap,
    fs,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

/// What a process uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// Resident memory, where the system tells.
    pub resident_bytes: Option<u64>,
    /// When it started: the time of the first look, which is to be taken at once.
    pub started: SystemTime,
}

/// What this process uses now.
pub fn now() -> Usage {
    static STARTED: OnceLock<SystemTime> = OnceLock::new();
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Usage {
        cpu: Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos),
        resident_bytes: fs::read_to_string("/proc/self/statm")
            .ok()
            .and_then(|text| resident(&text)),
        started: *STARTED.get_or_init(SystemTime::now),
    }
}

fn resident(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// By local port, how many datagrams the UDP sockets of this network namespace have dropped because
/// their buffers were full. Empty where the system does not tell.
#[must_use]
pub fn udp_drops() -> BTreeMap<u16, u64> {
    let mut drops = BTreeMap::new();
    for file in ["/proc/self/net/udp", "/proc/self/net/udp6"] {
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            if let Some((port, dropped)) = socket(line) {
                *drops.entry(port).or_default() += dropped;
            }
        }
    }
    drops
}

/// Port and drops of a line of `/proc/net/udp`; its heading has none.
fn socket(line: &str) -> Option<(u16, u64)> {
    let mut columns = line.split_whitespace();
    let (_, port) = columns.nth(1)?.rsplit_once(':')?;
    Some((u16::from_str_radix(port, 16).ok()?, columns.next_back()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn work_shows_as_cpu_time() {
        let before = now();
        let mut sum = 0u64;
        while now().cpu == before.cpu {
            sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(7));
        }
        let after = now();
        assert!(after.cpu > before.cpu, "{sum}");
        assert!(after.resident_bytes.is_none_or(|bytes| bytes > 100_000));
        assert_eq!(after.started, before.started);
    }

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = "  552: 0100007F:1F90 00000000:0000 07 00000000:00000000 00:00000000 00000000  \
                    0        0 24561 2 0000000000000000 17";
        assert_eq!(socket(line), Some((8080, 17)));
        assert_eq!(socket("   sl  local_address rem_address   st inode ref pointer drops"), None);
    }

    #[test]
    fn a_socket_that_nobody_reads_shows_what_it_drops() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        if !udp_drops().contains_key(&address.port()) {
            println!("SKIPPED: this system does not tell what sockets drop");
            return;
        }
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        // Four times what a socket's buffer holds by default, and more than it may be asked for.
        for _ in 0..4096 {
            sender.send_to(&[0; 8192], address).unwrap();
        }
        assert!(udp_drops()[&address.port()] > 0);
    }
}
