//! Every message, from a client's side.

mod common;

use std::fs;
use std::sync::Arc;

use common::{Client, get, options, serve, session};
use serde_json::{Value, json};
use townlet_viewer::frame::Frame;
use townlet_viewer::message::Message;
use townlet_viewer::{Beside, Command, Session, SessionOptions, UntrainedSource};

#[tokio::test]
async fn a_client_is_introduced_and_then_told_what_changes() {
    let running = serve(session(), options()).await;
    let mut client = Client::connect(running.port, "/stream").await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        let message = client.hear().await.unwrap();
        // Every message is what the library says it is.
        let read: Message = serde_json::from_value(message.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap()["type"], message["type"]);
        heard.push(message["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(heard, ["hello", "catalogue", "scene", "status", "certificates", "frame"]);
    client.say(r#"{"command":"step"}"#).await;
    let frame = client.hear_type("frame").await;
    assert_eq!(frame["lanes"][0]["step"], 1);
}

#[tokio::test]
async fn frames_over_the_wire_are_the_frames_of_the_session() {
    let running = serve(session(), options()).await;
    let mut client = Client::connect(running.port, "/stream").await;
    let mut expected = session();
    client.hear_type("frame").await;
    for _ in 0..30 {
        client.say(r#"{"command":"step"}"#).await;
        expected.apply(&Command::Step {}).unwrap();
        let message = client.hear_type("frame").await;
        let frame: Frame = serde_json::from_value(message).unwrap();
        let frame = Frame { scene: expected.frame().scene, ..frame };
        assert_eq!(frame, expected.frame());
    }
}

#[tokio::test]
async fn every_command_is_obeyed() {
    let running = serve(session(), options()).await;
    let mut client = Client::connect(running.port, "/stream").await;
    client.hear_type("frame").await;
    let commands = [
        (json!({"command": "speed", "steps_per_second": 7}), "speed", json!(7)),
        (json!({"command": "seed", "seed": 11}), "seed", json!(11)),
        (json!({"command": "epsilon", "epsilon": 0.25}), "epsilon", json!(0.25)),
        (json!({"command": "level", "level": "pomdp"}), "level", json!("pomdp")),
        (json!({"command": "checkpoint", "checkpoint": "random"}), "checkpoint", json!("random")),
        (json!({"command": "follow", "enabled": true}), "follow", json!(true)),
        (
            json!({"command": "side_by_side", "beside": {"who": "memory_wiped"}}),
            "beside",
            json!({"who": "memory_wiped"}),
        ),
        (json!({"command": "play"}), "paused", json!(false)),
        (json!({"command": "pause"}), "paused", json!(true)),
    ];
    for (command, key, value) in commands {
        client.say(&command.to_string()).await;
        let status = client.hear_type("status").await;
        assert_eq!(status[key], value, "{command}");
    }
    client.say(r#"{"command":"restart"}"#).await;
    client.hear_until(|it| it["type"] == "frame" && it["lanes"][0]["step"] == 0).await;
    client.say(r#"{"command":"finish_episode"}"#).await;
    let certificates =
        client.hear_until(|it| it["certificates"].as_array().is_some_and(|it| it.len() == 2)).await;
    assert_eq!(certificates["certificates"][0]["title"], "memory kept");
}

#[tokio::test]
async fn what_is_not_a_command_is_answered_with_an_error() {
    let running = serve(session(), options()).await;
    let mut client = Client::connect(running.port, "/stream").await;
    for (text, expected) in [
        ("", "not a command"),
        ("null", "not a command"),
        ("{", "not a command"),
        (r#"{"command":"fly"}"#, "unknown variant `fly`"),
        (r#"{"command":"play","now":true}"#, "unknown field `now`"),
        (r#"{"command":"speed"}"#, "missing field"),
        (r#"{"command":"speed","steps_per_second":-1}"#, "invalid value"),
        (r#"{"command":"speed","steps_per_second":1000}"#, "1 to 200"),
        (r#"{"command":"level","level":"/etc/passwd"}"#, "no level"),
        (r#"{"command":"checkpoint","checkpoint":"../x"}"#, "no checkpoint"),
        (r#"{"command":"act","action":1}"#, "does not fit"),
        (r#"{"command":"side_by_side","beside":{"who":"memory_wiped","x":1}}"#, "unknown field"),
    ] {
        client.say(text).await;
        let error = client.hear_type("error").await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(expected), "{text}: {message}");
    }
    client.say(r#"{"command":"step"}"#).await;
    client.hear_until(|it| it["type"] == "frame" && it["lanes"][0]["step"] == 1).await;
}

#[tokio::test]
async fn a_person_plays_over_the_wire() {
    let source = Arc::new(UntrainedSource::demo(0));
    let session = Session::play(source, &SessionOptions::default(), None).unwrap();
    let running = serve(session, options()).await;
    let mut client = Client::connect(running.port, "/stream").await;
    assert_eq!(client.hear_type("status").await["mode"], "play");
    client.hear_type("frame").await;
    client.say(r#"{"command":"act","action":4}"#).await;
    let frame = client.hear_type("frame").await;
    assert_eq!(frame["lanes"][0]["taken"]["action"], 4);
    assert_eq!(frame["lanes"][0]["thought"], Value::Null);
    client.say(r#"{"command":"play"}"#).await;
    assert!(client.hear_type("error").await["message"].as_str().unwrap().contains("use `act`"));
}

#[tokio::test]
async fn all_clients_share_one_session() {
    let running = serve(session(), options()).await;
    let mut teacher = Client::connect(running.port, "/stream").await;
    let mut pupil = Client::connect(running.port, "/stream").await;
    pupil.hear_type("frame").await;
    teacher.say(r#"{"command":"seed","seed":5}"#).await;
    assert_eq!(pupil.hear_type("status").await["seed"], 5);
}

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_client_of_the_reference_can_connect() {
    for path in ["/ws", "/ws/training"] {
        let running = serve(session(), options()).await;
        let mut client = Client::connect(running.port, path).await;
        let connected = client.hear().await.unwrap();
        assert_eq!(
            keys(&connected),
            [
                "auto_checkpoint_mode",
                "available_models",
                "checkpoint",
                "checkpoint_episode",
                "epsilon",
                "message",
                "mode",
                "total_episodes",
                "type"
            ]
        );
        assert_eq!((&connected["type"], &connected["mode"]), (&json!("connected"), &json!("inference")));
        assert_eq!(connected["available_models"], json!([]));

        // `type` does for `command`. A step is a whole episode.
        client.say(r#"{"type":"step"}"#).await;
        let update = client.hear_type("state_update").await;
        assert_eq!(
            keys(&update),
            [
                "affordance_stats",
                "agent_meters",
                "cumulative_reward",
                "grid",
                "q_values",
                "step",
                "temporal",
                "type"
            ]
        );
        assert_eq!(update["step"], 1);
        assert_eq!(keys(&update["grid"]), ["affordances", "agents", "height", "width"]);
        assert_eq!(keys(&update["grid"]["agents"][0]), ["color", "id", "last_action", "x", "y"]);
        assert_eq!(keys(&update["grid"]["affordances"][0]), ["type", "x", "y"]);
        assert_eq!(update["agent_meters"]["agent_0"]["meters"].as_object().unwrap().len(), 8);
        assert_eq!(update["q_values"].as_array().unwrap().len(), 5);
        assert_eq!(keys(&update["temporal"]), ["interaction_progress", "time_of_day"]);
        let end = client.hear_type("episode_end").await;
        assert_eq!(
            keys(&end),
            [
                "checkpoint",
                "checkpoint_episode",
                "episode",
                "epsilon",
                "reason",
                "steps",
                "total_episodes",
                "total_reward",
                "type"
            ]
        );
        assert_eq!(end["reason"], "done");

        client.say(r#"{"command":"reset"}"#).await;
        let start = client.hear_type("episode_start").await;
        assert_eq!(
            keys(&start),
            ["checkpoint", "checkpoint_episode", "episode", "epsilon", "total_episodes", "type"]
        );
        assert_eq!(start["episode"], 0);
        client.say(r#"{"command":"toggle_auto_checkpoint"}"#).await;
        assert_eq!(client.hear_type("auto_checkpoint_mode").await["enabled"], true);
        client.say(r#"{"command":"refresh_checkpoint"}"#).await;
        client.say(r#"{"command":"play"}"#).await;
        client.hear_until(|it| it["type"] == "state_update" && it["step"] == 3).await;
        client.say(r#"{"command":"pause"}"#).await;
        client.say(r#"{"command":"dance"}"#).await;
        assert!(client.hear_type("error").await["message"].as_str().unwrap().contains("dance"));
    }
}

#[tokio::test]
async fn another_checkpoint_is_announced_to_a_client_of_the_reference() {
    let running = serve(session(), options()).await;
    let mut reference = Client::connect(running.port, "/ws").await;
    let mut client = Client::connect(running.port, "/stream").await;
    reference.hear_type("connected").await;
    client.say(r#"{"command":"checkpoint","checkpoint":"random"}"#).await;
    let loaded = reference.hear_type("model_loaded").await;
    assert_eq!(keys(&loaded), ["episode", "epsilon", "message", "model", "total_episodes", "type"]);
    assert_eq!(loaded["model"], "random");
}

#[tokio::test]
async fn the_page_and_the_run_are_served() {
    let running = serve(session(), options()).await;
    let page = get(running.port, "/", "Host: localhost\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html"));
    assert!(page.to_ascii_lowercase().contains("content-security-policy: default-src 'self'"));
    // Nothing that the page asks for lies elsewhere, and all of it is here.
    let mut asked = 0;
    for (attribute, text) in page.split(['"']).zip(page.split(['"']).skip(1)) {
        if attribute.ends_with("src=") || attribute.ends_with("href=") {
            // Relative, because a proxy may have put the page below a prefix.
            assert!(!text.starts_with('/') && !text.contains(':'), "{text}");
            if !text.starts_with('#') {
                asked += 1;
                let found = get(running.port, &format!("/{text}"), "Host: localhost\r\n").await;
                assert!(found.starts_with("HTTP/1.1 200"), "{text}");
            }
        }
    }
    assert!(asked >= 3, "style, script, icon");
    assert!(get(running.port, "/js/main.js", "Host: localhost\r\n").await.contains("import"));
    let metrics = get(running.port, "/metrics.json", "Host: localhost\r\n").await;
    assert!(metrics.contains("\"baselines\"") && metrics.contains("application/json"));
    for path in ["/etc/passwd", "/../Cargo.toml", "/js/../../Cargo.toml", "/js/%2e%2e/x", "//"] {
        assert!(get(running.port, path, "Host: localhost\r\n").await.starts_with("HTTP/1.1 404"), "{path}");
    }
}

#[test]
fn the_schema_in_the_documents_is_the_schema_of_the_code() {
    let schema = json!({
        "protocol": townlet_viewer::message::PROTOCOL,
        "/stream": {
            "server": schemars::schema_for!(Message),
            "client": schemars::schema_for!(Command),
        },
        "/ws": {
            "server": schemars::schema_for!(townlet_viewer::reference::ReferenceMessage),
            "client": schemars::schema_for!(townlet_viewer::reference::ReferenceRequest),
        },
    });
    let expected = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/viewer-schema.json");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(path, &expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/viewer-schema.json is stale; run `UPDATE_SCHEMA=1 cargo test -p townlet-viewer --test server schema`"
    );
    // A beside is written as the documents show it.
    let beside = serde_json::to_value(Beside::MemoryWiped {}).unwrap();
    assert_eq!(beside, json!({"who": "memory_wiped"}));
}
