//! One node driven step by step, beside what the real one did: `scenarios*`.
//!
//! Each scenario is run three times: by ours, by the model with the rules of the peer that recorded it, and by the
//! model with all rules. The second has to do what was recorded, the third what ours does, in every part of every
//! step. So what ours does otherwise than the peer is what the [rules](crate::rules) say, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::{
    files,
    model::Peer,
    ours, recorded,
    rules::{self, Keeper, Rules},
    shape, text,
};

/// What a step may have.
const STEP: &str = "op state watch_events note? node? ip? port? hex? join? nid? table? key? arg_value_hex? value? \
    times? overhead? limit? error? value_hex? result_hex? own_hex? relay_hex? result_l_time? result_node_name? \
    result_type? result_networks_unordered?";

/// A recorded scenario.
pub(crate) struct Scenario {
    pub(crate) file: String,
    pub(crate) name: String,
    peer: Keeper,
    node: String,
    steps: Vec<Value>,
}

pub(crate) fn scenarios() -> Vec<Scenario> {
    let mut found = Vec::new();
    for (file, content) in files(&["scenarios"]) {
        shape(&content, "module scenarios");
        let peer = Keeper::of_module(text(&content, "module"));
        for scenario in content["scenarios"].as_array().expect("scenarios") {
            shape(scenario, "name note? self steps");
            scenario["steps"].as_array().expect("steps").iter().for_each(|step| shape(step, STEP));
            found.push(Scenario {
                file: file.clone(),
                name: text(scenario, "name").into(),
                peer,
                node: text(scenario, "self").into(),
                steps: scenario["steps"].as_array().expect("steps").clone(),
            });
        }
    }
    found
}

/// All there is to compare of a step.
fn shown(mut state: Value, answer: Map<String, Value>, mut events: Vec<Value>) -> Value {
    // The order of events is fixed in each table, not between tables.
    events.sort_by_key(|event| text(event, "table").to_owned());
    state["answer"] = answer.into();
    state["watch_events"] = events.into();
    state
}

fn shown_recorded(step: &Value) -> Value {
    let events = step["watch_events"].as_array().cloned().unwrap_or_default();
    shown(recorded::state(&step["state"]), recorded::answer(step), events)
}

/// What the model shows of every step.
pub(crate) fn modelled(node: &str, steps: &[Value], rules: Rules) -> Vec<Value> {
    let mut peer = Peer::new(node, rules);
    let each = steps.iter().map(|step| {
        let answer = peer.step(step);
        shown(peer.state(), answer, peer.watch_events())
    });
    each.collect()
}

/// What ours shows of every step.
pub(crate) fn done(node: &str, steps: &[Value]) -> Vec<Value> {
    let mut node = ours::Node::new(node);
    let each = steps.iter().map(|step| {
        let answer = node.step(step);
        shown(node.state(), answer, node.watch_events())
    });
    each.collect()
}

/// All parts in which two values differ, with both.
pub(crate) fn differences(one: &Value, other: &Value) -> Vec<String> {
    let (Some(left), Some(right)) = (one.as_object(), other.as_object()) else {
        return if one == other { Vec::new() } else { vec![format!("{one}\n      {other}")] };
    };
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let mut found = Vec::new();
    for name in names {
        let inner = differences(&one[name], &other[name]);
        found.extend(inner.into_iter().map(|what| format!("{name} {what}")));
    }
    found
}

fn compare(scenario: &Scenario, whose: &str, one: &[Value], other: &[Value]) -> Vec<String> {
    let Scenario { file, name, steps, .. } = scenario;
    let mut failures = Vec::new();
    for (place, (one, other)) in one.iter().zip(other).enumerate() {
        let step = |what| format!("{file} {name} {place} {} ({whose}): {what}", text(&steps[place], "op"));
        failures.extend(differences(one, other).into_iter().map(step));
    }
    failures
}

#[test]
fn every_step_is_as_recorded_or_as_a_rule_says() {
    let (mut steps, mut failures) = (BTreeMap::<String, usize>::new(), Vec::new());
    let all = Rules::of(Keeper::Ours);
    for scenario in scenarios() {
        let recorded: Vec<Value> = scenario.steps.iter().map(shown_recorded).collect();
        let peer = modelled(&scenario.node, &scenario.steps, Rules::of(scenario.peer));
        failures.extend(compare(&scenario, "recorded, model", &recorded, &peer));
        let (model, ours) =
            (modelled(&scenario.node, &scenario.steps, all), done(&scenario.node, &scenario.steps));
        failures.extend(compare(&scenario, "model, ours", &model, &ours));
        *steps.entry(scenario.file).or_default() += scenario.steps.len();
    }
    println!("steps replayed: {steps:?}");
    assert!(steps.values().all(|&count| count > 0) && !steps.is_empty(), "nothing replayed");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

/// Whether a rule makes a difference to the peer that recorded a scenario, or to ours.
fn matters(scenario: &Scenario, rule: rules::Rule) -> bool {
    [Rules::of(scenario.peer), Rules::of(Keeper::Ours)].into_iter().any(|rules| {
        let run = |rules| modelled(&scenario.node, &scenario.steps, rules);
        run(rules) != run(rules.toggled(rule))
    })
}

#[test]
fn every_rule_makes_the_difference_it_is_there_for() {
    let (scenarios, mut stale) = (scenarios(), Vec::new());
    for entry in rules::ALL {
        let differing =
            scenarios.iter().filter(|scenario| scenario.peer < entry.since && matters(scenario, entry.rule));
        println!("{:?}: in {} scenarios", entry.rule, differing.count());
        let Some(seen) = entry.seen else { continue };
        let there =
            scenarios.iter().find(|scenario| seen == (scenario.file.as_str(), scenario.name.as_str()));
        if there.is_some_and(|scenario| scenario.peer >= entry.since || !matters(scenario, entry.rule)) {
            stale.push(format!("{:?} in {seen:?}: {}", entry.rule, entry.text));
        }
    }
    assert!(stale.is_empty(), "rules without effect:\n{}", stale.join("\n"));
}
