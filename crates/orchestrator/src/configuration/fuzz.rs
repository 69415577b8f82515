//! Configurations that are nearly right: the channel file is read again while the server runs, so no file may end it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use asset::limits::ORGANIZATION_ID_CHARACTERS_MAX;

use super::{Channels, ServeConfiguration};

#[path = "../../../server/tests/mutation/mod.rs"]
mod mutation;

use mutation::fuzz;

const ITERATIONS: usize = 5_000;

#[test]
fn a_channel_file_is_read_or_refused() {
    // core/CHN-7
    let page = include_str!("../../../../docs/configuration.md");
    let sample = page.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```")).unwrap().0;
    let seeds = [
        sample,
        "channels: {a: [x, y], c: [y]}",
        "x: &x {a: [b]}\nchannels: {<<: *x}",
        "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nchannels: {d: *c}",
        "channels:\r\n  \"\\u00e9\": ['~', !!str 1, |\n  text\n  ]\n...\n---\n",
        "{{{{{{{{[[[[[[[[",
    ];
    fuzz(ITERATIONS, &seeds.map(|seed| seed.as_bytes().to_vec()), |input| {
        let Ok(text) = std::str::from_utf8(input) else { return };
        let Ok(channels) = Channels::parse(text) else { return };
        let names = channels.members.iter().flat_map(|(channel, members)| members.iter().chain([channel]));
        for name in names {
            assert!((1..=ORGANIZATION_ID_CHARACTERS_MAX).contains(&name.chars().count()), "{name:?}");
        }
    });
}

#[test]
fn an_environment_is_read_or_refused_and_keeps_its_secret() {
    // core/OPS-2
    let seed = [
        "ORCHESTRATOR_DATABASE_URL=postgres://u:hunter2@db/o",
        "ORCHESTRATOR_CHANNEL_CONFIG=/channels.yaml",
        "ORCHESTRATOR_TX_RETRY_BUDGET=1h500ms",
        "ORCHESTRATOR_TLS_ENABLED=true",
        "ORCHESTRATOR_TLS_CERT_PATH=/tls.crt",
        "ORCHESTRATOR_TLS_KEY_PATH=/tls.key",
        "ORCHESTRATOR_MTLS_ENABLED=false",
        "ORCHESTRATOR_VERIFY_CLIENT_MSP_ID=false",
        "ORCHESTRATOR_GRPC_LISTEN=[::]:9000",
        "ORCHESTRATOR_GRPC_MAX_MESSAGE_SIZE=4194304",
        "ORCHESTRATOR_GRPC_KEEPALIVE_POLICY_MIN_TIME=-1.5s",
        "LOG_LEVEL=-1",
    ]
    .join("\0");
    fuzz(ITERATIONS, &[seed.into_bytes()], |input| {
        let variables = input.split(|byte| *byte == 0).filter_map(|line| {
            let at = line.iter().position(|byte| *byte == b'=')?;
            let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
            Some((text(&line[..at]), text(&line[at + 1..])))
        });
        let told = match ServeConfiguration::from_environment(variables) {
            Ok(configuration) => format!("{configuration:?}"),
            Err(problems) => problems.to_string(),
        };
        // The value of the secret, unless a change has given it to another variable.
        let secret = b"ORCHESTRATOR_DATABASE_URL=postgres://u:hunter2@db/o";
        let others = input.split(|byte| *byte == 0).any(|line| line != secret && contains(line, b"hunter2"));
        assert!(others || !told.contains("hunter2"), "{told}");
    });
}

fn contains(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|window| window == word)
}
