//! The files with which one process proves who it is, and what TLS makes of them.

use crate::{Error, Identity, Pem, endpoint::identity_in};
use ::aws_lc_rs::hmac;
use egret_wire::{limits::VERSIONS, version::Versions};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    client::{ResolvesClientCert, Resumption},
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier},
    sign::CertifiedKey,
    version::TLS13,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

/// Certificate of the CA.
pub const CA_FILE: &str = "ca.pem";
/// Certificate of this process.
pub const CERT_FILE: &str = "cert.pem";
/// Private key of this process.
pub const KEY_FILE: &str = "key.pem";

/// Certificate, key and CA of one process, and the versions of the protocol that it speaks: all
/// that it shows of itself in a handshake. Cheap to clone.
#[derive(Clone)]
pub struct Credentials {
    identity: Identity,
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    current: Arc<Current>,
    derive: hmac::Key,
    versions: Versions,
}

/// The certificate in use, which may be replaced by a newer one.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        // Nothing panics while it holds the lock.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for Current {
    fn resolve(
        &self,
        _authorities: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

impl Credentials {
    /// Reads `ca.pem`, `cert.pem` and `key.pem` from `dir`. Errors name the file.
    pub fn load(dir: &Path) -> Result<Credentials, Error> {
        let part = |name: &str| {
            let path = dir.join(name);
            read(&path).map(|pem| (path, pem))
        };
        Credentials::of(&part(CA_FILE)?, &part(CERT_FILE)?, &part(KEY_FILE)?)
    }

    /// The same from memory. Errors name the part as if it were a file.
    pub fn from_pem(pem: &Pem) -> Result<Credentials, Error> {
        let part = |name: &str, text: &str| (PathBuf::from(name), text.as_bytes().to_vec());
        let key = part(KEY_FILE, &pem.key);
        Credentials::of(&part(CA_FILE, &pem.ca), &part(CERT_FILE, &pem.cert), &key)
    }

    fn of(
        (ca, ca_pem): &(PathBuf, Vec<u8>),
        (cert, cert_pem): &(PathBuf, Vec<u8>),
        (key_file, key_pem): &(PathBuf, Vec<u8>),
    ) -> Result<Credentials, Error> {
        let mut roots = RootCertStore::empty();
        for trusted in certs(ca, ca_pem)? {
            roots.add(trusted).map_err(|error| broken(ca, error))?;
        }
        let chain = certs(cert, cert_pem)?;
        let identity = identity_in(&chain[0]).map_err(|error| broken(cert, error))?;
        let key =
            PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| broken(key_file, error))?;
        let derive = hmac::Key::new(hmac::HMAC_SHA256, key.secret_der());
        let provider = provider();
        // Fails also if the key is not that of the certificate.
        let certified = CertifiedKey::from_der(chain, key, &provider)
            .map_err(|error| broken(key_file, error))?;
        Ok(Credentials {
            identity,
            provider: Arc::new(provider),
            roots: Arc::new(roots),
            current: Arc::new(Current(RwLock::new(Arc::new(certified)))),
            derive,
            versions: VERSIONS,
        })
    }

    /// Those of a build that speaks other versions of the protocol.
    #[must_use]
    pub fn speaking(self, versions: Versions) -> Credentials {
        Credentials { versions, ..self }
    }

    /// The versions of the protocol that are offered and accepted.
    pub fn versions(&self) -> Versions {
        self.versions
    }

    /// Whom the certificate names.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Reads the files again, and shows their certificate from the next link on, in all clones of
    /// these credentials. Links that are up stay as they are. False: it is the same as before.
    pub fn renew(&self, dir: &Path) -> Result<bool, Error> {
        let newer = Credentials::load(dir)?;
        if newer.identity != self.identity {
            let why = format!("it is for `{}`, not for `{}`", newer.identity, self.identity);
            return Err(broken(&dir.join(CERT_FILE), why));
        }
        let (newer, before) = (newer.current.get(), self.current.get());
        let same = newer.cert == before.cert;
        if !same {
            *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = newer;
        }
        Ok(!same)
    }

    /// TLS for dialing with one protocol.
    pub(crate) fn client(&self, protocol: &[u8]) -> Result<ClientConfig, Error> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(tls)?
            .with_root_certificates(self.roots.clone())
            .with_client_cert_resolver(self.current.clone());
        config.alpn_protocols = self.versions.names(protocol);
        // A resumed session would spare one signature, and show no certificate.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// TLS for accepting any of these protocols, from clients with a certificate of the same CA
    /// only.
    pub(crate) fn server(&self, protocols: &[&[u8]]) -> Result<ServerConfig, Error> {
        let clients =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone())
                .build()
                .map_err(tls)?;
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(tls)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(self.current.clone());
        // The first of these that the client offers is taken, and it offers one protocol.
        config.alpn_protocols =
            protocols.iter().flat_map(|protocol| self.versions.names(protocol)).collect();
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The key of stateless resets. It follows from the private key, so a process that was killed
    /// and is back on the same port can tell its old peers at once that their links are gone.
    pub(crate) fn reset_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.derive, b"egret reset/1").as_ref())
    }

    /// The key of connection ids: a process resets only links whose ids it can have made itself, so
    /// this must survive a restart too.
    pub(crate) fn connection_id_key(&self) -> u64 {
        let tag = hmac::sign(&self.derive, b"egret connection id/1");
        tag.as_ref().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
    }
}

/// The only provider, with the only suite: every peer is ours, and AES-128 is the fastest
/// everywhere that this runs.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    }
}

fn certs(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certs = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| broken(path, error))?;
    if certs.is_empty() {
        return Err(broken(path, "holds no certificate"));
    }
    Ok(certs)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File { action: "read", path: path.into(), source })
}

fn broken(path: &Path, why: impl ToString) -> Error {
    Error::Credentials { path: path.into(), why: why.to_string() }
}

fn tls(error: impl ToString) -> Error {
    Error::Tls(error.to_string())
}
