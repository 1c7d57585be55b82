//! Who may speak to whom: one CA, a certificate for each part, and kubeconfigs that hold them.

use crate::{
    Error, Result,
    binaries::make_directory,
    error::file,
    layout::{API_SERVICE, Machine, api_server},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use serde_json::json;
use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Nobody keeps such a cluster for longer.
const VALID_FOR: Duration = Duration::from_secs(90 * 24 * 3600);

/// The CA of a cluster.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
pub(crate) struct Pem {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Whom a certificate is for.
pub(crate) struct Subject<'a> {
    /// The user, as RBAC calls it.
    pub(crate) user: &'a str,
    /// The group.
    pub(crate) group: Option<&'a str>,
    /// Under which names it can be called, if it serves.
    pub(crate) names: &'a [&'a str],
}

impl Authority {
    /// A CA with a fresh key.
    pub(crate) fn new() -> Result<Authority> {
        let mut params = params("egret-e2e", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = KeyPair::generate().and_then(|key| CertifiedIssuer::self_signed(params, key));
        Ok(Authority { issuer: issuer.map_err(failed("the CA"))? })
    }

    /// What everybody trusts.
    pub(crate) fn pem(&self) -> Pem {
        Pem { certificate: self.issuer.pem(), key: self.issuer.key().serialize_pem() }
    }

    /// A certificate with a fresh key.
    pub(crate) fn issue(&self, subject: &Subject) -> Result<Pem> {
        let mut params = params(subject.user, subject.group);
        let names = subject.names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        params.subject_alt_names =
            CertificateParams::new(names).map_err(failed(subject.user))?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed(subject.user))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed(subject.user))?;
        Ok(Pem { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// A kubeconfig that needs no other file.
    pub(crate) fn kubeconfig(&self, user: &str, group: Option<&str>) -> Result<String> {
        let pem = self.issue(&Subject { user, group, names: &[] })?;
        let cluster = json!({
            "server": api_server(),
            "certificate-authority-data": STANDARD.encode(self.issuer.pem()),
        });
        let login = json!({
            "client-certificate-data": STANDARD.encode(pem.certificate),
            "client-key-data": STANDARD.encode(pem.key),
        });
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "egret-e2e", "cluster": cluster}],
            "users": [{"name": user, "user": login}],
            "contexts": [{"name": "egret-e2e", "context": {"cluster": "egret-e2e", "user": user}}],
            "current-context": "egret-e2e",
        });
        Ok(format!("{config:#}\n"))
    }
}

/// What the API server answers to.
pub(crate) fn api_server_names() -> [&'static str; 7] {
    [
        Machine::Control.address(),
        API_SERVICE,
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
}

/// Writes a file that only its owner can read, and the directory it is in.
pub(crate) fn write_secret(path: &Path, text: &str) -> Result<()> {
    make_directory(path.parent().unwrap_or(path))?;
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(file("write", path))
}

fn params(user: &str, group: Option<&str>) -> CertificateParams {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    // Clocks of one machine do not differ, but they are set.
    params.not_before = epoch + now.saturating_sub(Duration::from_secs(3600));
    params.not_after = epoch + now + VALID_FOR;
    params.use_authority_key_identifier_extension = true;
    params
}

fn failed(name: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let name = name.to_owned();
    move |source| Error::Certificate { name, source }
}
