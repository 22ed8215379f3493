//! The scripted agent lives.

mod common;

use townlet_env::{Level, ScriptedAgent, Town, VectorEnv};

/// Mean steps and share of episodes that reach the limit.
fn lives(level: Level, agents: usize, seed: u64) -> (f32, f32, Vec<u32>) {
    let mut town = Town::new(level, agents).unwrap();
    town.reset(seed);
    let mut scripted = ScriptedAgent::new(town.level());
    let mut actions = vec![0; agents];
    let mut first: Vec<Option<(u32, bool)>> = vec![None; agents];
    let mut low = vec![1.0_f32; town.level().meters.len()];
    for _ in 0..town.level().step_limit {
        scripted.act(&town, &mut actions);
        for (agent, &action) in actions.iter().enumerate() {
            assert!(town.action_masks()[agent * 5 + usize::from(action)]);
        }
        town.step(&actions).unwrap();
        for agent in 0..agents {
            if first[agent].is_none() {
                for (low, value) in low.iter_mut().zip(town.outcome(agent).meters) {
                    *low = low.min(value);
                }
            }
            let step = town.last_step();
            if first[agent].is_none() && step.ended(agent) {
                first[agent] = Some((town.final_episode_steps()[agent], step.truncated[agent]));
            }
        }
    }
    println!("  lowest {low:?}");
    let first: Vec<_> = first.into_iter().flatten().collect();
    let mut died: Vec<u32> = first.iter().filter(|it| !it.1).map(|it| it.0).collect();
    died.sort_unstable();
    let n = first.len() as f32;
    (
        first.iter().map(|it| it.0 as f32).sum::<f32>() / n,
        first.iter().filter(|it| it.1).count() as f32 / n,
        died,
    )
}

#[test]
fn lives_long() {
    let agents = std::env::var("AGENTS").map_or(50, |n| n.parse().unwrap());
    let limit = std::env::var("LIMIT").map_or(500, |n| n.parse().unwrap());
    for name in Level::builtin_names() {
        let mut level = Level::builtin(name).unwrap();
        level.step_limit = limit;
        let start = std::time::Instant::now();
        let (mean, share, died) = lives(level, agents, 1);
        println!(
            "{name}: mean {mean} share {share} in {:?}; died at {:?}",
            start.elapsed(),
            &died[..died.len().min(30)]
        );
    }
}

#[test]
fn follow() {
    let Ok(name) = std::env::var("FOLLOW") else { return };
    let mut level = Level::builtin(&name).unwrap();
    level.step_limit = 5000;
    let agent: usize = std::env::var("AGENT").map_or(0, |n| n.parse().unwrap());
    let agents = agent + 1;
    let mut town = Town::new(level, agents).unwrap();
    town.reset(1);
    let mut scripted = ScriptedAgent::new(town.level());
    let mut actions = vec![0; agents];
    let from: u32 = std::env::var("FROM").map_or(0, |n| n.parse().unwrap());
    let mut last: Option<(u8, u32)> = None;
    for (place, cell) in town.level().affordances.iter().zip(town.affordance_cells(agent)) {
        println!("{} {cell}", place.name);
    }
    for t in 0..5000 {
        scripted.act(&town, &mut actions);
        town.step(&actions).unwrap();
        let used = town.interactions()[agent];
        let ended = town.last_step().ended(agent);
        if t >= from && (used != last.map(|l| l.0) || ended) {
            let state = town.outcome(agent);
            let m: Vec<String> = state.meters.iter().map(|m| format!("{m:.2}")).collect();
            println!(
                "{t} h{} {} {} {}",
                state.hour,
                state.cell,
                m.join(" "),
                used.map_or("-", |u| &town.level().affordances[usize::from(u)].name)
            );
        }
        last = used.map(|u| (u, t));
        if ended {
            break;
        }
    }
}

#[test]
fn scan() {
    let Ok(spec) = std::env::var("SCAN") else { return };
    let mut line = String::new();
    for part in spec.split(',') {
        let mut it = part.split(':');
        let (name, agents, limit) = (
            it.next().unwrap(),
            it.next().unwrap().parse::<usize>().unwrap(),
            it.next().unwrap().parse::<u32>().unwrap(),
        );
        let mut level = Level::builtin(name).unwrap();
        level.step_limit = limit;
        let terminal: Vec<usize> = (0..level.meters.len()).filter(|&m| level.meters[m].terminal).collect();
        let mut town = Town::new(level, agents).unwrap();
        town.reset(1);
        let mut scripted = ScriptedAgent::new(town.level());
        let mut actions = vec![0; agents];
        let mut least = vec![1.0_f32; agents];
        let mut sum = 0.0;
        let start = std::time::Instant::now();
        for _ in 0..limit {
            scripted.act(&town, &mut actions);
            town.step(&actions).unwrap();
            for agent in 0..agents {
                if town.episodes()[agent] == 0
                    || (town.episodes()[agent] == 1 && town.last_step().ended(agent))
                {
                    let meters = town.outcome(agent).meters;
                    for &m in &terminal {
                        least[agent] = least[agent].min(meters[m]);
                    }
                    sum += terminal.iter().map(|&m| meters[m]).fold(1.0, f32::min);
                }
            }
        }
        println!(
            "dead: {:?}",
            least.iter().enumerate().filter(|(_, l)| **l <= 0.0).map(|it| it.0).collect::<Vec<_>>()
        );
        let dead = least.iter().filter(|&&l| l <= 0.0).count();
        let mean = least.iter().sum::<f32>() / agents as f32;
        least.sort_by(f32::total_cmp);
        let us = start.elapsed().as_secs_f32() * 1e6 / (agents as f32 * limit as f32);
        line += &format!(
            "| {name}: dead {dead} min {:.3} p5 {:.3} mean-min {mean:.3} avg {:.3} {us:.1}us ",
            least[0],
            least[agents / 20],
            sum / (agents as f32 * limit as f32)
        );
    }
    println!("{line}");
}
