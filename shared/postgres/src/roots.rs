//! Root certificates: those compiled in, and those in a file.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A file of root certificates that can't be used.
#[derive(Debug)]
pub(crate) struct RootsError {
    pub(crate) path: PathBuf,
    /// Continues "the file, which".
    pub(crate) problem: String,
}

/// The compiled-in roots and, in addition, the certificates in this PEM file.
pub(crate) fn roots(file: Option<&Path>) -> Result<RootCertStore, RootsError> {
    let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = file {
        add(&mut roots, path).map_err(|problem| RootsError {
            path: path.to_owned(),
            problem,
        })?;
    }
    Ok(roots)
}

fn add(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let content = std::fs::read(path).map_err(|error| {
        format!("can't be read: {error}; name a PEM file of certificates that this process can read")
    })?;
    let (mut usable, mut problem) = (false, None);
    // Windows editors begin a file with a byte order mark, which would hide the first certificate.
    let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&content);
    for certificate in CertificateDer::pem_slice_iter(content) {
        let certificate = certificate.map_err(|error| format!("is broken: {error}; replace the file"))?;
        match roots.add(certificate) {
            Ok(()) => usable = true,
            // The bundle of a system may have old certificates that only other programs accept.
            Err(error) => {
                problem = Some(format!(
                    "holds a certificate that can't be trusted: {error}; replace it"
                ))
            }
        }
    }
    match usable {
        true => Ok(()),
        false => Err(problem.unwrap_or_else(|| {
            "holds no certificate: a file with `-----BEGIN CERTIFICATE-----` is expected".to_owned()
        })),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    fn with(content: &str) -> Result<usize, String> {
        let path = std::env::temp_dir().join(format!("postgres-roots-{}-{:p}", std::process::id(), content));
        std::fs::write(&path, content).unwrap();
        let roots = roots(Some(&path));
        std::fs::remove_file(&path).unwrap();
        roots.map(|roots| roots.len()).map_err(|error| error.problem)
    }

    fn pem() -> String {
        let certificate = rcgen::generate_simple_self_signed(["db".to_owned()]).unwrap();
        let content = base64::engine::general_purpose::STANDARD.encode(certificate.cert.der());
        format!("-----BEGIN CERTIFICATE-----\n{content}\n-----END CERTIFICATE-----\n")
    }

    #[test]
    fn certificates_of_a_file_are_added() {
        let one = pem();
        let compiled_in = roots(None).unwrap().len();
        assert_eq!(with(&format!("{one}{one}")), Ok(compiled_in + 2));
        assert_eq!(with(&format!("\u{feff}{one}")), Ok(compiled_in + 1));
    }

    #[test]
    fn unusable_content_is_refused_with_its_reason() {
        for (content, reason) in [
            ("", "holds no certificate"),
            ("hello", "holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "holds a certificate that can't",
            ),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n", "is broken"),
        ] {
            let problem = with(content).unwrap_err();
            assert!(problem.starts_with(reason), "{problem}");
        }
    }
}
