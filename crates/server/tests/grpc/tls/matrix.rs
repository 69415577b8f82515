//! The matrix: every kind of certificate, as whom, by which kind of call, with the identity check on and off (core/ID-6, ID-7, ID-11, DEF-3 … DEF-6).
//!
//! `matrix.txt` says what must come of each. No cell there lets a caller act as an organization that has not issued its certificate, as long
//! as the check is on.

use std::error::Error as _;
use std::fmt::Write as _;

use tonic::{Code, Status};
use x509_parser::extensions::ParsedExtension;
use x509_parser::pem::parse_x509_pem;

use super::ServerFiles;
use super::minting::{self, Authority, Pair};
use crate::wire;

const UNARY: &str = "/orchestrator.OrganizationService/GetAllOrganizations";
const STREAM: &str = "/orchestrator.EventService/SubscribeToEvents";
const EXPECTED: &str = include_str!("matrix.txt");

/// Who calls, with what.
struct Case {
    certificate: &'static str,
    organization: &'static str,
    channel: &'static str,
    pair: Option<Pair>,
}

/// The authorities of all organizations.
struct Authorities {
    a: Authority,
    a_second: Authority,
    a_nameless: Authority,
    a_under_root: Authority,
    b: Authority,
    b_named_a: Authority,
    b_nameless: Authority,
    z: Authority,
    shared: Authority,
}

impl Authorities {
    fn new() -> Self {
        Self {
            a: Authority::new("authority of OrgA"),
            a_second: Authority::new("second authority of OrgA"),
            a_nameless: Authority::without_key_identifiers("authority of OrgA without key identifiers"),
            a_under_root: Authority::new("root that nobody trusts").certify("authority of OrgA under a root"),
            b: Authority::new("authority of OrgB"),
            b_named_a: Authority::new("authority of OrgA"),
            b_nameless: Authority::without_key_identifiers("authority of OrgB without key identifiers"),
            z: Authority::new("authority of OrgZ"),
            shared: Authority::new("authority of OrgA and OrgB"),
        }
    }

    /// OrgZ is in no channel; OrgC is in one, but has no authority.
    fn write(&self, files: &ServerFiles) {
        files.write("client/OrgA/ca.crt", &(self.a.pem() + &self.a_second.pem()));
        files.write("client/OrgA/nameless.crt", &self.a_nameless.pem());
        files.write("client/OrgA/under-root.crt", &self.a_under_root.pem());
        files.write("client/OrgA/shared.crt", &self.shared.pem());
        files.write("client/OrgB/ca.crt", &self.b.pem());
        files.write("client/OrgB/named-a.crt", &self.b_named_a.pem());
        files.write("client/OrgB/nameless.crt", &self.b_nameless.pem());
        files.write("client/OrgB/shared.crt", &self.shared.pem());
        files.write("client/OrgZ/ca.crt", &self.z.pem());
    }
}

/// All cases, OrgA in north where nothing else is said.
fn cases(authorities: &Authorities, server: &Authority) -> Vec<Case> {
    let Authorities { a, b, shared, .. } = authorities;
    let plain = |_: &mut rcgen::CertificateParams| {};
    let genuine = a.issue(&["OrgA"], plain);
    let both = shared.issue(&["OrgA", "OrgB"], plain);
    let two = a.issue(&["Elsewhere", "OrgA"], plain);
    let between = a.certify("intermediate authority of OrgA");
    let through = between.issue(&["OrgA"], plain);
    let would_be = a.issue_to_would_be_authority("OrgA");
    let posing = b.certify("authority of OrgA");
    let claiming = Authority::new("authority of OrgA");
    let forged = || b.issue(&["OrgA"], plain);

    let case = |certificate, pair| Case { certificate, organization: "OrgA", channel: "north", pair };
    let of = |organization, case| Case { organization, ..case };
    let in_south = |case| Case { channel: "south", ..case };
    vec![
        case("right", Some(genuine.clone())),
        of("OrgB", case("right", Some(genuine.clone()))),
        case("second authority of a bundle", Some(authorities.a_second.issue(&["OrgA"], plain))),
        case(
            "no key identifiers",
            Some(authorities.a_nameless.issue(&["OrgA"], minting::without_key_identifier)),
        ),
        case("authority that is not a root", Some(authorities.a_under_root.issue(&["OrgA"], plain))),
        case("intermediate authority, sent", Some(through.clone().and(&between.pem()))),
        case("intermediate authority, not sent", Some(through)),
        case("two organizations", Some(two.clone())),
        of("Elsewhere", case("two organizations", Some(two))),
        case("shared authority", Some(shared.issue(&["OrgA"], plain))),
        of("OrgB", case("shared authority", Some(shared.issue(&["OrgA"], plain)))),
        case("shared authority, two organizations", Some(both.clone())),
        of("OrgB", case("shared authority, two organizations", Some(both))),
        case("no organization", Some(a.issue(&[], plain))),
        case("organization in other letters", Some(a.issue(&["orga"], plain))),
        case("organization and a space", Some(a.issue(&["OrgA "], plain))),
        case("organizations in one attribute", Some(a.issue(&["OrgA,OrgB"], plain))),
        case("of OrgB", Some(forged())),
        case("of OrgB, forged key identifier", Some(b.issue_pointing_at(a, &["OrgA"]))),
        case("of OrgB, bystander appended", Some(forged().and(&genuine.chain))),
        case("of OrgB, authority of OrgA appended", Some(forged().and(&a.pem()))),
        case("of OrgB, authority named like OrgA's", Some(authorities.b_named_a.issue(&["OrgA"], plain))),
        case(
            "of OrgB, intermediate named like OrgA's",
            Some(posing.issue_pointing_at(a, &["OrgA"]).and(&posing.pem())),
        ),
        case(
            "of OrgB, no key identifiers",
            Some(authorities.b_nameless.issue(&["OrgA"], minting::without_key_identifier)),
        ),
        case("of the server's authority", Some(server.issue(&["OrgA"], plain))),
        in_south(of("OrgC", case("no authority configured", Some(b.issue(&["OrgC"], plain))))),
        of("OrgZ", case("in no channel", Some(authorities.z.issue(&["OrgZ"], plain)))),
        case("of a client of OrgA", Some(would_be.issue(&["OrgA"], plain).and(&would_be.pem()))),
        case(
            "of a stranger named like OrgA's authority",
            Some(claiming.issue_pointing_at(a, &["OrgA"]).and(&a.pem())),
        ),
        case("self-signed", Some(minting::self_signed("OrgA"))),
        case("none", None),
        case("expired", Some(a.issue(&["OrgA"], minting::expired))),
        case("not yet valid", Some(a.issue(&["OrgA"], minting::not_yet_valid))),
        case("for servers only", Some(a.issue(&["OrgA"], minting::for_servers_only))),
        case("for no purpose in particular", Some(a.issue(&["OrgA"], minting::for_no_purpose))),
    ]
}

#[tokio::test]
async fn nobody_acts_as_an_organization_that_has_not_issued_its_certificate() {
    // core/ID-16, DEF-3, DEF-4, DEF-5, DEF-6, S-06 … S-11
    let mut files = ServerFiles::new();
    let authorities = Authorities::new();
    authorities.write(&files);
    let cases = cases(&authorities, &files.authority);
    let mut columns = Vec::new();
    for verify_organization in [true, false] {
        files.verify_organization = verify_organization;
        let server = files.start().await;
        for path in [UNARY, STREAM] {
            let mut column = Vec::new();
            for case in &cases {
                let connection = files.connect(&server, case.pair.as_ref());
                let headers: wire::Headers<'_> =
                    &[("mspid", case.organization.as_bytes()), ("channel", case.channel.as_bytes())];
                let answer = wire::open(connection, path, headers, "").await;
                column.push(answer.map_or_else(|status| refused_by(&status), |_opened| "ok"));
            }
            columns.push(column);
        }
    }
    let happened = table(&cases, &columns);
    for (happened, expected) in happened.lines().zip(EXPECTED.lines()) {
        assert_eq!(happened, expected);
    }
    assert_eq!(happened.lines().count(), EXPECTED.lines().count(), "{happened}");
}

/// What has refused a call.
fn refused_by(status: &Status) -> &'static str {
    if status.source().is_some() {
        return "handshake"; // a fault of the connection: the server has not answered
    }
    assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    if status.message().starts_with("OE0102: invalid MSPID: the client certificate") {
        "certificate"
    } else if status.message().starts_with("OE0102: organization") {
        "channel"
    } else {
        panic!("{status:?}")
    }
}

fn table(cases: &[Case], columns: &[Vec<&str>]) -> String {
    let mut text = String::new();
    let mut line = |cells: [&str; 6]| {
        let [certificate, organization, cells @ ..] = cells;
        let [unary, stream, unary_unchecked, stream_unchecked] = cells;
        writeln!(
            text,
            "{certificate:42} | {organization:9} | {unary:11} | {stream:11} | {unary_unchecked:16} | {stream_unchecked}"
        )
        .unwrap();
    };
    line(["certificate", "as", "unary", "stream", "unary, unchecked", "stream, unchecked"]);
    for (row, case) in cases.iter().enumerate() {
        let cell = |column: usize| columns[column][row];
        line([case.certificate, case.organization, cell(0), cell(1), cell(2), cell(3)]);
    }
    text
}

#[test]
fn the_forged_certificate_really_points_at_the_other_authority() {
    let (a, b) = (Authority::new("a"), Authority::new("b"));
    let identifier = |pem: &str, of: fn(&ParsedExtension<'_>) -> Option<Vec<u8>>| {
        let (_rest, pem) = parse_x509_pem(pem.as_bytes()).unwrap();
        let certificate = pem.parse_x509().unwrap();
        let mut extensions = certificate.extensions().iter();
        extensions.find_map(|extension| of(extension.parsed_extension())).unwrap()
    };
    let of_subject = identifier(&a.pem(), |extension| match extension {
        ParsedExtension::SubjectKeyIdentifier(identifier) => Some(identifier.0.to_vec()),
        _ => None,
    });
    let forged = b.issue_pointing_at(&a, &["OrgA"]);
    let of_issuer = identifier(&forged.chain, |extension| match extension {
        ParsedExtension::AuthorityKeyIdentifier(extension) => {
            extension.key_identifier.as_ref().map(|identifier| identifier.0.to_vec())
        }
        _ => None,
    });
    assert_eq!(of_issuer, of_subject);
}
