//! The CA of one topology: it says who is who.

use crate::{Error, Identity, credentials, identity::check_uid};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Certificates are valid from this long before their making: clocks of machines differ a little.
const CLOCK_SKEW: Duration = Duration::from_secs(600);
/// Validity of the CA itself. It must outlive every leaf; a topology that runs longer needs a new
/// CA.
const CA_VALID_FOR: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The CA of one topology.
pub struct Authority {
    uid: String,
    issuer: Issuer<'static, KeyPair>,
    ca: String,
}

/// A CA as it is kept, as PEM. Who has it can be anybody in the topology.
#[derive(Clone)]
pub struct Kept {
    /// Its certificate.
    pub ca: String,
    /// Its private key.
    pub key: String,
}

/// What one process needs to prove who it is, as PEM.
#[derive(Clone)]
pub struct Pem {
    /// Certificate of the CA.
    pub ca: String,
    /// Certificate of the identity.
    pub cert: String,
    /// Private key of the identity.
    pub key: String,
}

impl Authority {
    /// A CA with a fresh key for the topology `uid`.
    pub fn new(uid: &str) -> Result<Authority, Error> {
        check_uid(uid)?;
        let key = KeyPair::generate().map_err(|error| failed(uid, &error))?;
        let params = ca_params(uid);
        let ca = params.self_signed(&key).map_err(|error| failed(uid, &error))?.pem();
        Ok(Authority { uid: uid.to_owned(), issuer: Issuer::new(params, key), ca })
    }

    /// The CA of the topology `uid` that was kept.
    pub fn restore(uid: &str, kept: &Kept) -> Result<Authority, Error> {
        check_uid(uid)?;
        let key = KeyPair::from_pem(&kept.key).map_err(|error| failed(uid, &error))?;
        // Leaves name their issuer and its key only, both of which are as they were.
        let issuer = Issuer::new(ca_params(uid), key);
        Ok(Authority { uid: uid.to_owned(), issuer, ca: kept.ca.clone() })
    }

    /// To keep it.
    pub fn keep(&self) -> Kept {
        Kept { ca: self.ca.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// A leaf certificate with a fresh key. Refuses identities of other topologies.
    pub fn issue(&self, identity: &Identity, valid_for: Duration) -> Result<Pem, Error> {
        let key = KeyPair::generate().map_err(|error| failed(&identity.to_dns(), &error))?;
        self.certify(identity, key, valid_for)
    }

    /// A new leaf certificate for a key that was issued before. What is derived from the key, such
    /// as stateless resets, stays.
    pub fn renew(&self, identity: &Identity, key: &str, valid_for: Duration) -> Result<Pem, Error> {
        let key = KeyPair::from_pem(key).map_err(|error| failed(&identity.to_dns(), &error))?;
        self.certify(identity, key, valid_for)
    }

    fn certify(
        &self,
        identity: &Identity,
        key: KeyPair,
        valid_for: Duration,
    ) -> Result<Pem, Error> {
        let name = identity.to_dns();
        // A uid that is no DNS label would make a name that nobody could read back.
        if identity.uid() != self.uid || Identity::parse(&name).ok().as_ref() != Some(identity) {
            let why = format!("this CA is for the topology `{}` only", self.uid);
            return Err(Error::Authority { name, why });
        }
        let mut params = params(&name, valid_for);
        params.subject_alt_names = vec![rcgen::SanType::DnsName(
            name.clone().try_into().map_err(|error| failed(&name, &error))?,
        )];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // Everybody dials or accepts, and a stream manager does both on one socket.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let cert = params.signed_by(&key, &self.issuer).map_err(|error| failed(&name, &error))?;
        Ok(Pem { ca: self.ca.clone(), cert: cert.pem(), key: key.serialize_pem() })
    }
}

/// Writes the three files into `dir`, readable by their owner only. Makes the directory if need be.
pub fn write(pem: &Pem, dir: &Path) -> Result<(), Error> {
    let failed = |path: &Path, source| Error::File { action: "write", path: path.into(), source };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o700)))
        .map_err(|source| failed(dir, source))?;
    for (name, text) in [
        (credentials::CA_FILE, &pem.ca),
        (credentials::CERT_FILE, &pem.cert),
        (credentials::KEY_FILE, &pem.key),
    ] {
        let path = dir.join(name);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|source| failed(&path, source))?;
    }
    Ok(())
}

fn ca_params(uid: &str) -> CertificateParams {
    let mut params = params(&format!("egret {uid}"), CA_VALID_FOR);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn params(common_name: &str, valid_for: Duration) -> CertificateParams {
    let epoch = date_time_ymd(1970, 1, 1);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now + valid_for + CLOCK_SKEW;
    params.use_authority_key_identifier_extension = true;
    params
}

fn failed(name: &str, error: &rcgen::Error) -> Error {
    Error::Authority { name: name.to_owned(), why: error.to_string() }
}
