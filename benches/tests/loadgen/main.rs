//! The load generator against a server that makes planted mistakes: a check
//! that never fails would be worth nothing.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fake;

use std::path::Path;
use std::process::Command;

use fake::{Fake, Fault};
use serde_json::Value;

/// Runs the generator; its exit code and its JSON report.
fn loadgen(fault: Fault, args: &[&str]) -> (i32, Value) {
    let server = Fake::start(fault).unwrap();
    let name = format!("{}-{fault:?}-{}.json", args[0], server.address.port());
    let json = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Ends early once all has come; what never comes is not waited for long.
    let is_waited_for = [
        Fault::Lose,
        Fault::NoAnswer,
        Fault::Close,
        Fault::ResumeShort,
    ]
    .contains(&fault);
    let drain = if is_waited_for { "2" } else { "20" };
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(args)
        .args([
            "--url",
            &format!("http://{}", server.address),
            "--secret",
            "planted",
        ])
        .args([
            "--drain-seconds",
            drain,
            "--server-pid",
            &std::process::id().to_string(),
        ])
        .arg("--json")
        .arg(&json)
        .output()
        .unwrap();
    let report = std::fs::read_to_string(&json).unwrap_or_else(|_| panic!("{output:?}"));
    std::fs::remove_file(&json).unwrap();
    (
        output.status.code().unwrap(),
        serde_json::from_str(&report).unwrap(),
    )
}

/// The violations that a report names, without those that did not occur.
fn violations(report: &Value) -> Vec<(&str, u64)> {
    let all = report["violations"].as_object().unwrap();
    let counts = all
        .iter()
        .map(|(name, count)| (name.as_str(), count.as_u64().unwrap()));
    counts.filter(|(_, count)| *count > 0).collect()
}

const LATENCY: [&str; 7] = [
    "latency",
    "--pairs",
    "2",
    "--rate",
    "50",
    "--seconds",
    "0.4",
];
const DURABLE: [&str; 7] = [
    "durable",
    "--senders",
    "2",
    "--rooms",
    "1",
    "--seconds",
    "0.3",
];
const FANOUT: [&str; 7] = [
    "fanout",
    "--members",
    "8",
    "--rate",
    "50",
    "--seconds",
    "0.4",
];
const CHURN: [&str; 11] = [
    "churn",
    "--connections",
    "8",
    "--rate",
    "200",
    "--seconds",
    "1",
    "--online-seconds",
    "0.2",
    "--offline-seconds",
    "0.1",
];

#[test]
fn a_faultless_server_passes_every_run() {
    let flat_out = ["fanout", "--members", "8", "--flat-out", "--seconds", "0.3"];
    let delivered = [&flat_out[..], &["--window-by", "delivered"]].concat();
    let pairs = [
        "idle",
        "--connections",
        "5",
        "--rooms",
        "pairs",
        "--hold-seconds",
        "0.1",
    ];
    for args in [
        &LATENCY[..],
        &DURABLE,
        &FANOUT,
        &flat_out,
        &delivered,
        &CHURN,
        &pairs,
    ] {
        let (code, report) = loadgen(Fault::None, args);
        assert_eq!(violations(&report), [], "{args:?}: {report:#}");
        assert_eq!(
            (code, &report["clean"]),
            (0, &Value::Bool(true)),
            "{args:?}"
        );
    }
}

#[test]
fn the_figures_of_a_schedule_are_those_of_the_schedule() {
    let (_, report) = loadgen(Fault::None, &LATENCY);
    let figures = &report["figures"];
    // Four users, 50 a second, 0.4 s.
    assert_eq!(figures["sent"], 80);
    assert_eq!(figures["acked"], 80);
    assert_eq!(
        figures["deliveries"], 160,
        "the sender's own copies count as deliveries"
    );
    assert_eq!(
        figures["send_to_receive"]["count"], 80,
        "but not as latencies"
    );

    let (_, report) = loadgen(Fault::None, &FANOUT);
    assert_eq!(report["figures"]["sent"], 20);
    assert_eq!(report["figures"]["deliveries"], 160);
    assert!(report["figures"]["server_cpu_us_per_delivery"].is_number());
}

#[test]
fn each_planted_mistake_is_found_and_fails_the_run() {
    for (fault, args, expected) in [
        (Fault::Lose, &FANOUT[..], "lost"),
        (Fault::Duplicate, &FANOUT, "duplicates"),
        (Fault::Swap, &FANOUT, "out_of_order"),
        (Fault::Alter, &FANOUT, "mismatches"),
        (Fault::StoreTwice, &FANOUT, "doubled"),
        (Fault::NoAnswer, &FANOUT, "unanswered"),
        (Fault::Forbid, &FANOUT, "refused"),
        (Fault::Close, &FANOUT, "connections_lost"),
        (Fault::Lose, &LATENCY, "lost"),
        (Fault::Duplicate, &DURABLE, "duplicates"),
        (Fault::Swap, &DURABLE, "out_of_order"),
        (Fault::ResumeShort, &CHURN, "lost"),
        (Fault::ResumeLong, &CHURN, "duplicates"),
    ] {
        let (code, report) = loadgen(fault, args);
        let found = violations(&report);
        assert!(
            found.iter().any(|(name, _)| *name == expected),
            "{fault:?}: {report:#}"
        );
        assert_eq!(
            (code, &report["clean"]),
            (1, &Value::Bool(false)),
            "{fault:?}"
        );
    }
}

#[test]
fn one_mistake_in_one_room_counts_once() {
    for (fault, expected) in [
        (Fault::Lose, "lost"),
        (Fault::Duplicate, "duplicates"),
        (Fault::Swap, "out_of_order"),
    ] {
        let (_, report) = loadgen(fault, &FANOUT);
        assert_eq!(violations(&report), [(expected, 1)], "{report:#}");
    }
}

#[test]
fn with_report_only_violations_do_not_fail_the_run() {
    let (code, report) = loadgen(Fault::Lose, &[&FANOUT[..], &["--report-only"]].concat());
    assert_eq!((code, &report["clean"]), (0, &Value::Bool(false)));
}

#[test]
fn a_rate_limited_send_is_counted_and_no_violation() {
    let (code, report) = loadgen(Fault::RateLimit, &FANOUT);
    assert_eq!(
        (code, &report["figures"]["refused_by_code"]["rate_limited"]),
        (0, &1.into())
    );
    assert_eq!(
        report["figures"]["acked"], 19,
        "an open loop does not repeat"
    );

    let (code, report) = loadgen(Fault::RateLimit, &DURABLE);
    // Both senders of the room are refused once.
    assert_eq!(
        (code, &report["figures"]["refused_by_code"]["rate_limited"]),
        (0, &2.into())
    );
    assert_eq!(
        report["figures"]["acked"], report["figures"]["sent"],
        "a closed loop does"
    );
}

#[test]
fn a_reset_explains_what_is_left_out() {
    let (code, report) = loadgen(Fault::Reset, &CHURN);
    assert_eq!(violations(&report), [], "{report:#}");
    assert_eq!((code, &report["figures"]["resets"]), (0, &1.into()));
}

#[test]
fn what_cannot_be_run_is_an_error_of_its_own() {
    for args in [
        &["latency", "--url", "http://127.0.0.1:1"][..],
        &["latency", "--url", "http://192.0.2.1:80"],
        &["latency", "--url", "ftp://127.0.0.1:1"],
        &["durable", "--senders", "1", "--rooms", "2"],
        &["idle", "--connections", "4000000000"],
        &["idle", "--server-pid", "4294967295"],
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args(args)
            .args(["--secret", "planted"])
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(run.stderr.starts_with(b"loadgen: "), "{args:?}");
    }
    let keyless = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("idle")
        .env_remove("REALTIME_JWT_SECRET")
        .output()
        .unwrap();
    assert_eq!(keyless.status.code(), Some(2));
}
