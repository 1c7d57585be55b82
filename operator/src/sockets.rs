//! The sockets from which all channels are dialed: one for each kind of address, not one for each
//! topology.

use egret_link::{Credentials, Endpoint, Error, Windows};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

/// Kinds of addresses: IPv4 or not, loopback or not.
type Kind = (bool, bool);

/// Sockets, each made when it is first needed.
#[derive(Default)]
pub struct Sockets(Mutex<BTreeMap<Kind, Endpoint>>);

impl Sockets {
    /// An endpoint that dials addresses like `remote` under this identity.
    pub fn dialing_to(
        &self,
        remote: SocketAddr,
        credentials: &Credentials,
    ) -> Result<Endpoint, Error> {
        // Nothing panics while it holds the lock.
        let mut sockets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = (remote.is_ipv4(), remote.ip().is_loopback());
        if let Some(socket) = sockets.get(&kind) {
            return Ok(socket.in_name_of(credentials));
        }
        let socket = Endpoint::dialing_to(remote, credentials, Windows::default())?;
        sockets.insert(kind, socket.clone());
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use egret_link::{Authority, Identity};
    use std::time::Duration;

    #[tokio::test]
    async fn identities_share_a_socket_and_keep_apart() {
        let sockets = Sockets::default();
        let mut ports = Vec::new();
        for uid in ["one", "two"] {
            let authority = Authority::new(uid).unwrap();
            let identity = Identity::Operator { uid: uid.to_owned() };
            let pem = authority.issue(&identity, Duration::from_secs(60)).unwrap();
            let credentials = Credentials::from_pem(&pem).unwrap();
            let endpoint = sockets.dialing_to(([127, 0, 0, 1], 1).into(), &credentials).unwrap();
            assert_eq!(*endpoint.identity(), identity);
            ports.push(endpoint.local_address().unwrap());
        }
        assert_eq!(ports[0], ports[1]);
    }
}
