//! What is read at start, in which layouts, and what is said of a file that is no good (core/ID-12, DEF-6, DEF-7, S-12).

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::symlink;

use server::tls::Tls;

use super::ServerFiles;
use super::minting::Authority;
use crate::wire::{self, BY_A};

const VERSION: &str = "/orchestrator.InfoService/QueryVersion";

#[tokio::test]
async fn an_organizations_authorities_are_found_in_every_layout() {
    let authorities: Vec<_> = (0..5).map(|number| Authority::new(&format!("authority {number}"))).collect();
    let [bundled, also_bundled, versioned, elsewhere, nested] = authorities.as_slice() else {
        unreachable!()
    };
    let files = ServerFiles::new();
    files.write("client/README", "beside the folders");
    files.write("client/OrgA/any name", &(bundled.pem() + &also_bundled.pem()));
    // As Kubernetes mounts a volume: files are links into a link to a dated folder.
    files.write("client/OrgA/..2026_01_01/ca.crt", &versioned.pem());
    symlink("..2026_01_01", files.path().join("client/OrgA/..data")).unwrap();
    symlink("..data/ca.crt", files.path().join("client/OrgA/ca.crt")).unwrap();
    files.write("client/OrgA/folder/ca.crt", &nested.pem());
    files.write("elsewhere/OrgB/ca.pem", &elsewhere.pem());
    let absolute = files.path().join("elsewhere/OrgB/ca.pem");
    symlink(absolute, files.path().join("client/OrgA/link.crt")).unwrap();
    symlink("../elsewhere/OrgB", files.path().join("client/OrgB")).unwrap();
    // A whole volume in place of the directory has its helpers there.
    files.write("client/..2026_01_01/OrgA/ca.crt", &nested.pem());
    symlink("..2026_01_01", files.path().join("client/..data")).unwrap();

    let server = files.start().await;
    for authority in [bundled, also_bundled, versioned, elsewhere] {
        let pair = authority.issue(&["OrgA"], |_| {});
        let answer = wire::call(files.connect(&server, Some(&pair)), VERSION, BY_A, "").await;
        assert!(answer.is_ok(), "{answer:?}");
    }
    let by_b: wire::Headers<'_> = &[("mspid", b"OrgB"), ("channel", b"north")];
    let pair = elsewhere.issue(&["OrgB"], |_| {});
    wire::call(files.connect(&server, Some(&pair)), VERSION, by_b, "").await.unwrap();
    let pair = nested.issue(&["OrgA"], |_| {});
    assert!(wire::call(files.connect(&server, Some(&pair)), VERSION, BY_A, "").await.is_err());
}

#[test]
fn a_bad_file_is_named_with_what_is_wrong_with_it() {
    const NOT_BASE64: &str = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    const NO_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let other = Authority::new("other").issue(&[], |_| {});
    let authority = Authority::new("good").pem();
    let table: &[(&str, Option<&str>, &str)] = &[
        ("tls.crt", None, "cannot read {}: No such file or directory"),
        ("tls.crt", Some("nothing"), "cannot use {}: there is no certificate in it"),
        ("tls.key", None, "cannot read {}: No such file or directory"),
        ("tls.key", Some(&authority), "cannot use {}: there is no unencrypted private key in it"),
        ("tls.key", Some(&other.key), "cannot use {}: together with "),
        ("ca.crt", None, "cannot read {}: No such file or directory"),
        ("ca.crt", Some(""), "cannot use {}: there is no certificate in it"),
        ("client/OrgA/ca.crt", Some("not PEM"), "cannot use {}: there is no certificate in it"),
        ("client/OrgA/ca.crt", Some(NOT_BASE64), "cannot use {}: base64"),
        (
            "client/OrgA/ca.crt",
            Some(&(authority.clone() + NO_CERTIFICATE)),
            "cannot use {}: certificate number 2 in it: ",
        ),
    ];
    for (name, contents, expected) in table {
        let files = ServerFiles::new();
        match contents {
            Some(contents) => files.write(name, contents),
            None => fs::remove_file(files.path().join(name)).unwrap(),
        }
        let error = Tls::load(&files.files()).unwrap_err();
        let source = error.source().map(|source| format!(": {source}"));
        let told = format!("{error}{}", source.unwrap_or_default());
        let expected = expected.replace("{}", &files.path().join(name).display().to_string());
        assert!(told.starts_with(&expected), "{told}, not {expected}");
    }
}

#[test]
fn a_directory_or_link_that_leads_nowhere_is_named() {
    let files = ServerFiles::new();
    fs::create_dir(files.path().join("client/OrgA")).unwrap();
    symlink("nowhere", files.path().join("client/OrgA/ca.crt")).unwrap();
    let error = Tls::load(&files.files()).unwrap_err();
    assert!(error.to_string().ends_with("client/OrgA/ca.crt"), "{error}");

    fs::remove_dir_all(files.path().join("client")).unwrap();
    let error = Tls::load(&files.files()).unwrap_err();
    assert!(error.to_string().ends_with("/client"), "{error}");
}

#[tokio::test]
async fn an_organization_without_authorities_does_not_keep_the_server_from_starting() {
    let files = ServerFiles::new();
    fs::create_dir(files.path().join("client/OrgA")).unwrap();
    files.start().await;
}
