//! What a run tells: lines for people, JSON for programs.

use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::checker::{Findings, Violation};
use crate::failure::Failure;
use crate::lab::Sample;
use crate::limits::SATURATED;
use crate::traffic::Counters;

/// The results of one run, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Report {
    command: &'static str,
    parameters: Value,
    figures: Vec<(&'static str, Value)>,
    findings: Findings,
}

impl Report {
    /// An empty report of `command`, run with `parameters`.
    pub(crate) fn new(command: &'static str, parameters: &impl Serialize) -> Self {
        Self {
            command,
            parameters: serde_json::to_value(parameters).unwrap_or_default(),
            figures: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Adds a figure.
    pub(crate) fn figure(&mut self, name: &'static str, value: impl Into<Value>) {
        self.figures.push((name, value.into()));
    }

    /// Adds a figure rounded to two decimals.
    pub(crate) fn rounded(&mut self, name: &'static str, value: f64) {
        self.figure(name, (value * 100.0).round() / 100.0);
    }

    /// Adds what was counted besides violations, as far as it happened.
    pub(crate) fn counters(&mut self, counters: &Counters) {
        self.figure("sent", counters.sent);
        self.figure("acked", counters.acked);
        self.figure("deliveries", counters.deliveries);
        for (name, count) in [
            ("resets", counters.resets),
            ("explained_jumps", counters.explained),
            ("rev_holes", counters.rev_holes),
        ] {
            self.figure(name, count);
        }
        self.figure("refused_by_code", json!(counters.refused));
        self.figure("other_pushes", json!(counters.other));
    }

    /// Adds what server and generator cost between two samples.
    pub(crate) fn costs(&mut self, before: &Sample, after: &Sample) {
        if let Some(cpu) = after.server_cpu_since(before) {
            let wall = (after.at - before.at).as_secs_f64();
            self.rounded("server_cpu_seconds", cpu.as_secs_f64());
            self.rounded("server_core_share", cpu.as_secs_f64() / wall);
        }
        if let Some(server) = after.server {
            self.figure("server_rss_kib", server.rss_kib);
        }
        let busy = after.busy_share_since(before);
        self.rounded("generator_busy_share", busy);
        self.figure("generator_saturated", busy > SATURATED);
    }

    /// Sets what the checks found.
    pub(crate) fn findings(&mut self, findings: &Findings) {
        self.findings = findings.clone();
    }

    /// Whether no check found anything.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_clean()
    }

    /// The report for programs.
    pub(crate) fn to_json(&self) -> Value {
        let violations: Map<_, _> = Violation::ALL
            .iter()
            .map(|violation| {
                (
                    violation.name().to_owned(),
                    self.findings.count(*violation).into(),
                )
            })
            .collect();
        let figures: Map<_, _> = self
            .figures
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        json!({
            "command": self.command,
            "parameters": self.parameters,
            "figures": figures,
            "violations": violations,
            "examples": self.findings.examples(),
            "clean": self.is_clean(),
        })
    }

    /// Writes the JSON file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Failure> {
        let text = format!("{:#}\n", self.to_json());
        std::fs::write(path, text).map_err(Failure::io(format!("writing {}", path.display())))
    }

    /// Shows the report to people.
    ///
    /// # Errors
    /// When standard output is closed.
    pub(crate) fn show(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.command)?;
        for (name, value) in &self.figures {
            match value.as_object() {
                Some(parts) if parts.is_empty() => {}
                Some(parts) => writeln!(out, "  {name:<26} {}", one_line(parts))?,
                None => writeln!(out, "  {name:<26} {value}")?,
            }
        }
        if self.is_clean() {
            return writeln!(out, "  checks                     clean");
        }
        writeln!(out, "  checks                     VIOLATIONS")?;
        for violation in Violation::ALL {
            let count = self.findings.count(violation);
            if count > 0 {
                writeln!(out, "    {:<24} {count}", violation.name())?;
            }
        }
        for example in self.findings.examples() {
            writeln!(out, "    e.g. {example}")?;
        }
        Ok(())
    }
}

fn one_line(parts: &Map<String, Value>) -> String {
    const LATENCY: [&str; 7] = [
        "count", "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "mean_us",
    ];
    let show = |name: &str, value: &Value| match value.as_f64() {
        Some(number) if value.is_f64() => format!("{name}={number:.1}"),
        Some(_) | None => format!("{name}={value}"),
    };
    // A latency reads from the median to the maximum, not by the alphabet.
    let ordered: Vec<String> = if parts.contains_key(LATENCY[1]) {
        LATENCY
            .iter()
            .filter_map(|name| Some(show(name, parts.get(*name)?)))
            .collect()
    } else {
        parts
            .iter()
            .map(|(name, value)| show(name, value))
            .collect()
    };
    ordered.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_names_every_violation_and_says_whether_it_is_clean() {
        let mut report = Report::new("latency", &json!({"pairs": 3}));
        report.rounded("acked_per_second", 12.3456);
        let clean = report.to_json();
        assert_eq!(clean["clean"], true);
        assert_eq!(clean["figures"]["acked_per_second"], 12.35);
        assert_eq!(clean["parameters"]["pairs"], 3);
        assert_eq!(
            clean["violations"].as_object().unwrap().len(),
            Violation::ALL.len()
        );

        let mut findings = Findings::default();
        findings.add(Violation::Lost, 2, || "room r".to_owned());
        report.findings(&findings);
        let found = report.to_json();
        assert_eq!(found["clean"], false);
        assert_eq!(found["violations"]["lost"], 2);
        assert_eq!(found["examples"][0], "lost: room r");
    }

    #[test]
    fn a_latency_is_shown_from_the_median_to_the_maximum() {
        let parts = json!({"max_us": 9.0, "p50_us": 1.25, "count": 3});
        assert_eq!(
            one_line(parts.as_object().unwrap()),
            "count=3 p50_us=1.2 max_us=9.0"
        );
        let parts = json!({"busy": 2, "timeout": 1});
        assert_eq!(one_line(parts.as_object().unwrap()), "busy=2 timeout=1");
    }
}
