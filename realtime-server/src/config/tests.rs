use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::auth::{Algorithm, KeyError};

const SECRET: &str = "a secret of tests, with more than 32 bytes";
const EC_PUBLIC: &str = include_str!("../auth/tests/keys/ec.public.pem");
const EC_PRIVATE: &str = include_str!("../auth/tests/keys/ec.private.pem");
const RSA_PUBLIC: &str = include_str!("../auth/tests/keys/rsa.public.pem");

/// A folder with a `realtime.toml` and whatever a test puts beside it.
struct Folder(TempDir);

impl Folder {
    fn with(toml: &str) -> Self {
        Self(TempDir::new().unwrap()).and("realtime.toml", toml)
    }

    fn and(self, name: &str, contents: &str) -> Self {
        fs::write(self.path(name), contents).unwrap();
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn sources<const N: usize>(
        &self,
        env: [(&'static str, &'static str); N],
    ) -> Sources<[(&'static str, &'static str); N]> {
        Sources {
            file: Some(self.path("realtime.toml")),
            env,
            overrides: Vec::new(),
        }
    }

    fn load(&self) -> Result<Config, ConfigErrors> {
        Config::load(self.sources([]))
    }

    /// The problems, with the file's name cut to its last part.
    fn problems(&self) -> Vec<String> {
        lines(&self.load().unwrap_err(), self.0.path())
    }
}

fn lines(errors: &ConfigErrors, folder: &Path) -> Vec<String> {
    let folder = format!("{}/", folder.display());
    errors
        .to_string()
        .lines()
        .map(|line| line.replace(&folder, ""))
        .collect()
}

fn from_env<const N: usize>(env: [(&str, &str); N]) -> Result<Config, ConfigErrors> {
    Config::load(Sources::from_env(env))
}

fn env_problems<const N: usize>(env: [(&str, &str); N]) -> Vec<String> {
    lines(&from_env(env).unwrap_err(), Path::new("/nowhere"))
}

#[test]
fn nothing_given_means_the_defaults() {
    assert_eq!(from_env([]).unwrap(), Config::default());
    assert_eq!(Folder::with("").load().unwrap(), Config::default());
    assert_eq!(
        from_env([("PATH", "/bin"), ("RUST_LOG", "x")]).unwrap(),
        Config::default()
    );
}

#[test]
fn the_defaults_are_those_of_the_documentation() {
    let config = Config::default();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.ping_interval, Duration::from_secs(25));
    assert_eq!(config.database.url.expose(), "sqlite://realtime.db");
    assert_eq!(config.auth.token_type.as_deref(), Some("access"));
    assert_eq!(config.limits.frame_bytes, 64 * 1024);
    assert_eq!(config.limits.messages_per_second, 10);
    assert_eq!(config.hub.reorder_window, Duration::from_millis(30));
    assert_eq!(
        config.events.lock_after_completed,
        Duration::from_secs(86_400)
    );
    assert!(!config.auth.has_keys());
}

#[test]
fn the_sample_is_the_defaults_and_documents_every_key() {
    let folder = Folder::with(&sample());
    assert_eq!(folder.load().unwrap(), Config::default());
    let table: toml::Table = sample().parse().unwrap();
    let keys: usize = table
        .values()
        .map(|section| section.as_table().unwrap().len())
        .sum();
    assert_eq!(sample().matches("# REALTIME_").count(), keys);
    assert!(sample().contains(
        "# Messages that a user may send a second, on average.\n\
         # 1 to 1000000000: a person writes less than one.\n\
         # REALTIME_LIMITS__MESSAGES_PER_SECOND\n\
         messages_per_second = 10\n"
    ));
    assert!(sample().contains("# [[auth.keys]]\n") && !sample().contains("```"));
    assert!(sample().lines().all(|line| line.chars().count() <= 100));
}

#[test]
fn every_key_of_the_sample_is_also_a_variable() {
    let table: toml::Table = sample().parse().unwrap();
    let mut env = Vec::new();
    for (section, keys) in &table {
        for (key, value) in keys.as_table().unwrap() {
            let as_text = || {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            };
            let text = if value.is_array() {
                String::new()
            } else {
                as_text()
            };
            env.push((reader::variable(section, key), text));
        }
    }
    assert!(env.len() > 50, "{}", env.len());
    assert_eq!(
        Config::load(Sources::from_env(env)).unwrap(),
        Config::default()
    );
}

#[test]
fn the_later_layer_wins() {
    let folder = Folder::with(
        "[limits]\nrooms = 1\nframe_objects = 2\nin_flight = 3\n[server]\nlisten = '[::1]:1'\n",
    );
    let mut sources = folder.sources([
        ("REALTIME_LIMITS__ROOMS", "10"),
        ("REALTIME_LIMITS__FRAME_OBJECTS", "20"),
        ("REALTIME_SERVER__LISTEN", "0.0.0.0:2"),
    ]);
    let flag = |flag, key, value: &str| Override {
        flag,
        key,
        value: value.to_owned(),
    };
    sources.overrides = vec![
        flag("--rooms", "limits.rooms", "100"),
        flag("--listen", "server.listen", "127.0.0.1:3"),
    ];
    let config = Config::load(sources).unwrap();
    assert_eq!(config.limits.rooms, 100);
    assert_eq!(config.limits.frame_objects, 20);
    assert_eq!(config.limits.in_flight, 3);
    assert_eq!(config.limits.participants, 20_000);
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3");
}

#[test]
fn variables_are_read_as_the_type_of_their_key() {
    let config = from_env([
        (
            "REALTIME_SERVER__ALLOWED_ORIGINS",
            "https://a.example, http://localhost:5173",
        ),
        ("REALTIME_SERVER__TRUST_FORWARDED_FOR", "true"),
        ("REALTIME_SERVER__USER_ROOMS", "1"),
        ("REALTIME_SERVER__METRICS_LISTEN", "127.0.0.1:9090"),
        ("REALTIME_SERVER__PING_INTERVAL", "1500ms"),
        ("REALTIME_REDIS__URL", "redis://127.0.0.1:6379"),
        ("REALTIME_AUTH__TOKEN_TYPE", ""),
        ("REALTIME_AUTH__ISSUER", "https://id.example"),
        ("REALTIME_LOG__FORMAT", "json"),
        ("REALTIME_LOG__LEVEL", "warn,realtime_core=trace"),
        ("REALTIME_EVENTS__LOCK_AFTER_COMPLETED", "1h 30m"),
    ])
    .unwrap();
    assert_eq!(
        config.server.allowed_origins,
        ["https://a.example", "http://localhost:5173"]
    );
    assert!(config.server.trust_forwarded_for && config.server.user_rooms);
    assert_eq!(config.server.metrics_listen.unwrap().port(), 9090);
    assert_eq!(config.server.ping_interval, Duration::from_millis(1_500));
    assert_eq!(config.redis.url.unwrap().expose(), "redis://127.0.0.1:6379");
    assert_eq!(config.auth.token_type, None);
    assert_eq!(config.auth.issuer, ["https://id.example"]);
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.log.level, "warn,realtime_core=trace");
    assert_eq!(
        config.events.lock_after_completed,
        Duration::from_secs(5_400)
    );
}

#[test]
fn an_empty_value_takes_back_what_the_file_says() {
    let folder = Folder::with("[redis]\nurl = 'redis://r'\n[auth]\nissuer = ['a', 'b']\n");
    assert!(folder.load().unwrap().redis.url.is_some());
    let sources = folder.sources([("REALTIME_REDIS__URL", ""), ("REALTIME_AUTH__ISSUER", "")]);
    let config = Config::load(sources).unwrap();
    assert_eq!(config.redis.url, None);
    assert_eq!(config.auth.issuer, Vec::<String>::new());
}

#[test]
fn everything_wrong_is_reported_at_once_by_the_name_it_was_given() {
    let folder = Folder::with(
        "[server]\nlisten = 'here'\nping_interval = 25\n\
         [limits]\nrooms = '5'\nframe_objects = 0\ncatch_up = -1\nroom = 7\n\
         [limit]\nrooms = 5\n",
    );
    let mut sources = folder.sources([
        ("REALTIME_LIMITS__IN_FLIGHT", "many"),
        ("REALTIME_LIMITS__ROOMS", "8"),
        ("REALTIME_SERVER__PORT", "80"),
        ("REALTIME_JWT_SECRET", "-----BEGIN PUBLIC KEY-----"),
    ]);
    sources.overrides = vec![Override {
        flag: "--database",
        key: "database.url",
        value: "oracle://db".to_owned(),
    }];
    let problems = lines(&Config::load(sources).unwrap_err(), folder.0.path());
    let expected = [
        "REALTIME_JWT_SECRET: the secret is a PEM file, and a public key is no secret; set its algorithm instead",
        "server.listen (realtime.toml): is \"here\"; must be an address with a port, such as \
         \"127.0.0.1:8080\"",
        "server.ping_interval (realtime.toml): is an integer; must be a duration, such as \
         \"10s\", \"250ms\" or \"1h\", \"100ms\" to \"1h\": common proxies drop connections that \
         are idle for 30 s",
        "limits.frame_objects (realtime.toml): is 0; must be 1 to 1024: a frame is worked on in \
         one go",
        "limits.rooms (realtime.toml): is a string; must be an integer, 1 to 100000: each costs \
         a place in a table and a share of every sweep",
        "REALTIME_LIMITS__IN_FLIGHT: is \"many\"; must be an integer, 1 to 4096: each holds \
         memory until the store has answered",
        "limits.catch_up (realtime.toml): is -1; must be an integer, 1 to 1000000: more is \
         faster and cheaper to load anew",
        "--database: must begin with one of: sqlite:, postgres:, postgresql:, mysql:, mariadb:",
        "limit.rooms (realtime.toml): there is no section [limit]; did you mean limits?",
        "limits.room (realtime.toml): [limits] has no key room; did you mean rooms?",
        "REALTIME_SERVER__PORT: [server] has no key port",
    ];
    for line in expected {
        assert!(
            problems.contains(&line.to_owned()),
            "missing {line:?} in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
}

#[test]
fn a_key_in_the_wrong_place_is_pointed_to_the_right_one() {
    let problems = Folder::with("listen = '127.0.0.1:1'\n[server]\ncommit_batch = 5\n").problems();
    let expected = [
        "listen (realtime.toml): stands outside of any section such as [server]",
        "server.commit_batch (realtime.toml): [server] has no key commit_batch, but [limits] has",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn variables_that_were_nearly_meant_are_told() {
    assert_eq!(
        env_problems([
            ("REALTIME_LIMITS_MESSAGES_PER_SECOND", "5"),
            ("REALTIME_JWT_SECRETS", SECRET),
            ("REALTIME_LIMITS__MESAGES_PER_SECOND", "5"),
        ]),
        [
            "REALTIME_LIMITS__MESAGES_PER_SECOND: [limits] has no key mesages_per_second; did \
             you mean messages_per_second?",
            "REALTIME_LIMITS_MESSAGES_PER_SECOND: is not known; did you mean \
             REALTIME_LIMITS__MESSAGES_PER_SECOND?",
            "REALTIME_JWT_SECRETS: is not known; did you mean REALTIME_JWT_SECRET?",
        ]
    );
    // Kubernetes sets these for a service that is called "realtime".
    let kubernetes = [
        ("REALTIME_PORT", "tcp://10.0.0.1:80"),
        ("REALTIME_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(from_env(kubernetes).unwrap(), Config::default());
}

#[test]
fn the_bounds_themselves_are_allowed() {
    let least = from_env([
        ("REALTIME_LIMITS__JSON_DEPTH", "4"),
        ("REALTIME_AUTH__LEEWAY", "0s"),
    ]);
    assert_eq!(least.unwrap().limits.json_depth, 4);
    let most = from_env([
        ("REALTIME_LIMITS__JSON_DEPTH", "120"),
        ("REALTIME_AUTH__LEEWAY", "30s"),
    ]);
    assert_eq!(most.unwrap().auth.leeway, Duration::from_secs(30));
    for (name, value) in [
        ("REALTIME_LIMITS__JSON_DEPTH", "3"),
        ("REALTIME_LIMITS__JSON_DEPTH", "121"),
        ("REALTIME_LIMITS__JSON_DEPTH", "99999999999999999999999"),
        ("REALTIME_LIMITS__JSON_DEPTH", "1.5"),
        ("REALTIME_LIMITS__JSON_DEPTH", ""),
        ("REALTIME_LIMITS__MESSAGES_PER_SECOND", "0"),
        ("REALTIME_AUTH__LEEWAY", "30001ms"),
        ("REALTIME_AUTH__LEEWAY", "5"),
        ("REALTIME_AUTH__LEEWAY", "-5s"),
        ("REALTIME_AUTH__LEEWAY", "584942417356y"),
    ] {
        let problems = env_problems([(name, value)]);
        assert!(
            problems.len() == 1 && problems[0].starts_with(name),
            "{problems:?}"
        );
    }
}

#[test]
fn limits_that_belong_together_are_in_order() {
    assert_eq!(
        env_problems([
            ("REALTIME_LIMITS__QUEUE_BYTES_HARD", "2048"),
            ("REALTIME_LIMITS__COMMIT_QUEUE", "511"),
        ]),
        [
            "REALTIME_LIMITS__QUEUE_BYTES_HARD: queue_bytes_soft (65536) must not be above \
             queue_bytes_hard (2048)",
            "REALTIME_LIMITS__COMMIT_QUEUE: commit_batch (512) must not be above commit_queue \
             (511)",
        ]
    );
    assert!(from_env([("REALTIME_LIMITS__COMMIT_QUEUE", "512")]).is_ok());
    assert!(
        env_problems([("REALTIME_LIMITS__QUEUE_BYTES_SOFT", "300000")])[0]
            .starts_with("REALTIME_LIMITS__QUEUE_BYTES_SOFT: ")
    );
}

#[test]
fn an_origin_is_what_a_browser_sends() {
    let load = |origin: &str| from_env([("REALTIME_SERVER__ALLOWED_ORIGINS", origin)]);
    for origin in [
        "*",
        "https://app.example",
        "http://localhost:5173",
        "http://[::1]:8080",
        "https://a.b:80",
    ] {
        assert!(load(origin).is_ok(), "{origin}");
    }
    for origin in [
        "app.example",
        "https://app.example/",
        "https://app.example/path",
        "https://App.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://user@app.example",
        "ftp://app.example",
        "https://a.example?x",
        "http://a.example:80801",
        "http://a.example:08080",
        "https://",
        "null",
    ] {
        assert!(load(origin).is_err(), "{origin}");
    }
}

#[test]
fn a_level_is_a_level() {
    let load = |level: &str| from_env([("REALTIME_LOG__LEVEL", level)]);
    assert!(load("trace").is_ok());
    assert!(load("info,hyper=off").is_ok());
    for level in ["", "verbose", "info,hyper=loud", "info,,", "info;debug"] {
        assert!(load(level).is_err(), "{level}");
    }
}

#[test]
fn what_would_remove_everything_is_taken_for_a_mistake() {
    let retention = |text: &str| from_env([("REALTIME_LIMITS__RETENTION", text)]);
    for short in ["0s", "59m", "1ms"] {
        let problems = env_problems([("REALTIME_LIMITS__RETENTION", short)]);
        assert!(problems[0].contains("at least 1h"), "{problems:?}");
    }
    let hour = Duration::from_secs(3_600);
    assert_eq!(retention("1h").unwrap().limits.retention, Some(hour));
    assert_eq!(retention("").unwrap().limits.retention, None);
    // A window of nothing is a rule like any other.
    let none = from_env([
        ("REALTIME_LIMITS__EDIT_WINDOW", "0s"),
        ("REALTIME_LIMITS__DELETE_WINDOW", "15m"),
    ]);
    let limits = none.unwrap().limits;
    assert_eq!(limits.edit_window, Some(Duration::ZERO));
    assert_eq!(limits.delete_window, Some(Duration::from_secs(900)));
}

#[test]
fn lanes_leave_somebody_to_read() {
    let with = |url: &str, lanes: &str| {
        from_env([
            ("REALTIME_DATABASE__URL", url),
            ("REALTIME_DATABASE__LANES", lanes),
            ("REALTIME_DATABASE__MAX_CONNECTIONS", "8"),
        ])
    };
    let postgres = "postgres://app@db.example/chat";
    assert_eq!(with(postgres, "7").unwrap().database.lanes, Some(7));
    assert_eq!(with(postgres, "").unwrap().database.lanes, None);
    assert!(with("sqlite://a.db", "8").is_ok(), "it has one anyway");
    for wrong in ["0", "8", "65", "-1", "many"] {
        let error = with(postgres, wrong).unwrap_err().to_string();
        assert!(error.starts_with("REALTIME_DATABASE__LANES: "), "{error}");
    }
}

#[test]
fn a_password_is_noticed_wherever_it_stands() {
    for (url, has) in [
        ("postgres://app:secret@db.example/chat", true),
        ("postgres://app:@db.example/chat", true),
        ("postgres://app@db.example/chat?password=secret", true),
        ("mysql://a%3A:b@[::1]:3306/chat", true),
        ("postgres://app@db.example:5432/chat", false),
        ("postgres://db.example:5432/chat", false),
        ("sqlite://chat.db", false),
        ("sqlite::memory:", false),
    ] {
        assert_eq!(ConnectionUrl::new(url).has_password(), has, "{url}");
    }
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let both = |address| {
        from_env([
            ("REALTIME_SERVER__LISTEN", address),
            ("REALTIME_SERVER__METRICS_LISTEN", address),
        ])
    };
    assert!(both("127.0.0.1:8080").is_err());
    assert!(both("127.0.0.1:0").is_ok());
}

#[test]
fn a_claim_must_have_a_name() {
    let problems = env_problems([("REALTIME_AUTH__USER_CLAIM", "")]);
    assert_eq!(problems, ["REALTIME_AUTH__USER_CLAIM: must not be empty"]);
}

#[test]
fn a_file_that_cannot_be_used_is_told() {
    let missing = Sources {
        file: Some("/nowhere/r.toml".into()),
        ..Sources::from_env([("", "")])
    };
    let problems = lines(&Config::load(missing).unwrap_err(), Path::new("/nowhere"));
    assert_eq!(
        problems,
        ["r.toml: cannot be opened: No such file or directory (os error 2)"]
    );

    let large = Folder::with(&"#".repeat(1024 * 1024 + 1)).problems();
    assert_eq!(large, ["realtime.toml: is larger than 1048576 bytes"]);
}

#[test]
fn a_syntax_error_names_the_line_and_shows_nothing_of_it() {
    let folder = Folder::with("[server]\n[auth]\nsecret = \"tell-tale\nx = 1\n");
    let problems = folder.problems();
    assert!(
        problems[0].starts_with("realtime.toml: is not TOML at line 3: "),
        "{problems:?}"
    );
    assert!(
        !format!("{problems:?}").contains("tell-tale"),
        "{problems:?}"
    );
}

#[test]
fn a_secret_in_the_file_is_refused_with_a_reason() {
    let folder = Folder::with(
        "[auth]\nsecret = 'tell-tale'\n\
         [[auth.keys]]\nkid = 'k'\nalg = 'HS256'\nsecret = 'tell-tale'\n",
    );
    let problems = folder.problems();
    let expected = [
        "auth.keys (realtime.toml) entry 1: secret is not taken from here; put it into a file, \
         named by `file`",
        "auth.keys (realtime.toml) entry 1: has no file",
        "auth.secret (realtime.toml): a secret does not belong into a configuration that is \
         shared, backed up and logged: set REALTIME_JWT_SECRET, or name a file in \
         auth.secret_file",
    ];
    assert_eq!(problems, expected);
}

#[test]
fn a_secret_comes_from_its_variable_or_its_file() {
    let from_variable = from_env([("REALTIME_JWT_SECRET", SECRET)]).unwrap();
    assert!(from_variable.auth.has_keys());

    let folder = Folder::with("[auth]\nsecret_file = 'secret'\n")
        .and("secret", "-----BEGIN PUBLIC KEY-----");
    assert_eq!(
        folder.problems(),
        [
            "auth.secret_file (realtime.toml): secret: the secret is a PEM file, and a public \
             key is no secret; set its algorithm instead"
        ]
    );
    let folder = folder.and("secret", &format!("{SECRET}\n"));
    assert_eq!(
        folder.load().unwrap().auth.secret,
        from_variable.auth.secret
    );

    // The variable goes before the file, which then need not even exist.
    let folder = Folder::with("[auth]\nsecret_file = 'missing'\n");
    assert!(folder.problems()[0].contains("missing cannot be opened"));
    let config = Config::load(folder.sources([("REALTIME_JWT_SECRET", SECRET)])).unwrap();
    assert_eq!(config.auth.secret, from_variable.auth.secret);
}

#[test]
fn key_files_stand_beside_the_configuration() {
    let folder = Folder::with(
        "[auth]\nissuer = 'https://id.example'\n\
         [[auth.keys]]\nkid = 'ec'\nalg = 'ES256'\nfile = 'ec.pem'\n\
         [[auth.keys]]\nalg = 'RS256'\nfile = 'rsa.pem'\n",
    )
    .and("ec.pem", EC_PUBLIC)
    .and("rsa.pem", RSA_PUBLIC);
    let auth = folder.load().unwrap().auth;
    let keys: Vec<_> = auth
        .keys
        .iter()
        .map(|key| (key.kid.as_deref(), key.algorithm))
        .collect();
    assert_eq!(
        keys,
        [(Some("ec"), Algorithm::Es256), (None, Algorithm::Rs256)]
    );
    let verifier = auth.verifier().unwrap();
    assert_eq!(verifier.rules(), &auth.rules());
    assert_eq!(verifier.rules().issuers, ["https://id.example"]);
}

#[test]
fn every_bad_key_file_is_told() {
    let folder = Folder::with(
        "[[auth.keys]]\nkid = 'a'\nalg = 'RS256'\nfile = 'ec.pem'\n\
         [[auth.keys]]\nkid = 'b'\nalg = 'none'\nfile = 'ec.pem'\n\
         [[auth.keys]]\nkid = 5\nalgo = 'ES256'\n\
         [[auth.keys]]\nkid = 'c'\nalg = 'ES256'\nfile = 'missing.pem'\n\
         [[auth.keys]]\nkid = 'd'\nalg = 'ES256'\nfile = 'private.pem'\n\
         [[auth.keys]]\nkid = ''\nalg = 'ES256'\nfile = 'ec.pem'\n",
    )
    .and("ec.pem", EC_PUBLIC)
    .and("private.pem", EC_PRIVATE);
    let expected = [
        "1: ec.pem: not a PEM public key that fits RS256",
        "2: alg must be one of HS256, RS256, ES256, EdDSA",
        "3: has an unknown key algo; did you mean alg?",
        "3: kid is an integer; must be a string",
        "3: has no alg",
        "3: has no file",
        "4: missing.pem cannot be opened: No such file or directory (os error 2)",
        "5: private.pem: this is a private key; give the public key only",
        "6: ec.pem: a key id must have 1 to 256 printable characters",
    ];
    let expected = expected.map(|line| format!("auth.keys (realtime.toml) entry {line}"));
    assert_eq!(folder.problems(), expected);
}

#[test]
fn two_keys_cannot_have_one_kid() {
    let folder = Folder::with(
        "[auth]\nsecret_kid = 'a'\n[[auth.keys]]\nkid = 'a'\nalg = 'ES256'\nfile = 'ec.pem'\n",
    )
    .and("ec.pem", EC_PUBLIC);
    let errors = Config::load(folder.sources([("REALTIME_JWT_SECRET", SECRET)])).unwrap_err();
    assert_eq!(
        lines(&errors, folder.0.path()),
        ["auth.keys: two keys have the key id \"a\""]
    );
}

#[test]
fn keys_cannot_be_given_as_a_variable_and_other_shapes_are_told() {
    assert_eq!(
        env_problems([("REALTIME_AUTH__KEYS", "x")]),
        ["REALTIME_AUTH__KEYS: keys stand in the file, each as [[auth.keys]]"]
    );
    let problems = Folder::with("[auth]\nkeys = [5]\n").problems();
    assert_eq!(
        problems,
        ["auth.keys (realtime.toml) entry 1: is an integer; must be a table [[auth.keys]]"]
    );
    let secret = env_problems([("REALTIME_AUTH__SECRET", SECRET)]);
    assert!(secret[0].contains("set REALTIME_JWT_SECRET"), "{secret:?}");
    assert!(!secret[0].contains(SECRET), "{secret:?}");
}

#[test]
fn a_key_set_url_is_checked() {
    let problems = env_problems([("REALTIME_AUTH__JWKS_URL", "http://id.example/keys")]);
    assert!(problems[0].starts_with("REALTIME_AUTH__JWKS_URL: a key set needs an absolute https"));
    let config = from_env([("REALTIME_AUTH__JWKS_URL", "https://id.example/keys")]).unwrap();
    assert!(config.auth.has_keys());
    assert_eq!(config.auth.verifier().unwrap_err(), KeyError::NoRuntime);
}

#[test]
fn without_keys_there_is_no_verifier() {
    let error = from_env([]).unwrap().auth.verifier().unwrap_err();
    assert_eq!(error, KeyError::NoKeys);
    assert!(error.to_string().contains("REALTIME_JWT_SECRET"));
}

#[test]
fn nothing_that_is_shown_holds_a_secret() {
    let folder = Folder::with(
        "[auth]\nsecret_file = 'secret'\n[[auth.keys]]\nalg = 'HS256'\nfile = 'secret'\n",
    )
    .and("secret", "tell-tale tell-tale tell-tale tell-tale");
    let sources = folder.sources([
        (
            "REALTIME_DATABASE__URL",
            "postgres://app:tell-tale@db.example/chat?password=tell-tale",
        ),
        (
            "REALTIME_REDIS__URL",
            "redis://:a@tell-tale/@redis.example:6379",
        ),
    ]);
    let config = Config::load(sources).unwrap();
    let shown = format!("{config:?} {config:#?} {}", config.database.url);
    assert!(!shown.contains("tell-tale"), "{shown}");
    assert!(
        shown.contains("postgres://[redacted]@db.example/chat"),
        "{shown}"
    );
    assert!(config.database.url.expose().contains("tell-tale"));
    let bytes = "[116, 101, 108, 108";
    assert!(!shown.contains(bytes), "{shown}");

    let errors = env_problems([
        ("REALTIME_JWT_SECRET", "-----BEGIN tell-tale"),
        ("REALTIME_DATABASE__URL", "tell-tale"),
        ("REALTIME_REDIS__URL", "tell-tale://x"),
    ]);
    assert_eq!(errors.len(), 3);
    assert!(!format!("{errors:?}").contains("tell-tale"), "{errors:?}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_told() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};

    let garbage = || OsString::from_vec(vec![0xff, 0xfe]);
    let env = [
        (OsString::from("REALTIME_LOG__LEVEL"), garbage()),
        (OsString::from("PATH"), garbage()),
        (garbage(), garbage()),
    ];
    let errors = Config::load(Sources::from_env(env)).unwrap_err();
    assert_eq!(errors.to_string(), "REALTIME_LOG__LEVEL: is not UTF-8");
}
