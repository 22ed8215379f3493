//! What is taken home is what was seen: the frames of a film, in every form.

use std::sync::Arc;

use townlet_env::trace::{TraceWriter, verify};
use townlet_env::{Level, Town, VectorEnv};
use townlet_viewer::export::{ExportError, Film, gif, html, png};
use townlet_viewer::{
    Beside, Brain, Command, RandomBrain, Recording, Session, SessionOptions, UntrainedSource,
};

fn trace() -> Vec<u8> {
    let mut town = Town::new(Level::builtin("temporal").unwrap(), 1).unwrap();
    town.reset(4);
    let mut trace = TraceWriter::new(Vec::new(), town.level(), "a </script> test").unwrap();
    let mut random = RandomBrain::new(4);
    trace.begin("only", &town, 0).unwrap();
    loop {
        let action = random.act(&[], town.action_masks()).action;
        town.step(&[action]).unwrap();
        if trace.step(&town, action).unwrap() {
            return trace.into_inner().unwrap();
        }
    }
}

fn side_by_side() -> Film {
    let options = SessionOptions { checkpoint: Some("echo".to_owned()), ..SessionOptions::default() };
    let mut session = Session::watch(Arc::new(UntrainedSource::default()), options).unwrap();
    session.apply(&Command::SideBySide { beside: Beside::MemoryWiped {} }).unwrap();
    Film::of_session(&mut session).unwrap()
}

#[test]
fn a_film_of_a_recording_has_the_steps_that_the_trace_has() {
    let bytes = trace();
    let report = verify(&bytes[..], "only.jsonl", None).unwrap();
    assert_eq!(report.difference, None);
    let recording = Recording::read(&bytes[..], "only.jsonl").unwrap();
    let film = Film::of_recording(&recording, 0).unwrap();
    assert_eq!(film.frames.len(), report.steps + 1);
    assert!(film.frames.last().unwrap().lanes[0].ended.is_some());
    let error = Film::of_recording(&recording, 1).unwrap_err();
    assert!(matches!(error, ExportError::NoSuchEpisode { episode: 1, last: 0 }), "{error}");

    let page = html(&film);
    assert_eq!(page.matches("</script>").count(), 2, "no text of a trace ends a script");
    let json = page.split_once(r#"id="film">"#).unwrap().1.split_once("</script>").unwrap().0;
    assert_eq!(serde_json::from_str::<Film>(json).unwrap(), film);
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        let found = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!found.contains(outside), "the page asks for {outside}");
    }
}

#[test]
fn an_animation_has_a_picture_for_every_frame() {
    let film = side_by_side();
    assert!(film.frames.len() > 60);
    let mut bytes = Vec::new();
    gif(&film, 10, &mut bytes).unwrap();
    let mut decoder = ::gif::DecodeOptions::new();
    decoder.set_color_output(::gif::ColorOutput::Indexed);
    let mut decoder = decoder.read_info(&bytes[..]).unwrap();
    let (width, height) = (usize::from(decoder.width()), usize::from(decoder.height()));
    let mut canvas = vec![0; width * height];
    let mut frames = 0;
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        let row = usize::from(frame.width);
        for (y, pixels) in frame.buffer.chunks(row).enumerate() {
            let start = (usize::from(frame.top) + y) * width + usize::from(frame.left);
            for (old, new) in canvas[start..start + row].iter_mut().zip(pixels) {
                if frame.transparent != Some(*new) {
                    *old = *new;
                }
            }
        }
        // The picture of the same moment is the same, whole, as the animation comes to in parts.
        if [0, 1, 30, film.frames.len() - 1].contains(&frames) {
            let mut bytes = Vec::new();
            png(&film, frames as u32, &mut bytes).unwrap();
            let mut decoder = ::png::Decoder::new(std::io::Cursor::new(&bytes));
            decoder.set_transformations(::png::Transformations::IDENTITY);
            let mut reader = decoder.read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert!(pixels == canvas, "frame {frames}");
        }
        frames += 1;
    }
    assert_eq!(frames, film.frames.len());
    assert!(bytes.len() < 2_000_000, "{} bytes", bytes.len());
    assert!(matches!(gif(&film, 0, Vec::new()), Err(ExportError::Speed { found: 0 })));
    let beyond = png(&film, 100_000, Vec::new()).unwrap_err().to_string();
    assert!(beyond.contains("no step 100000"), "{beyond}");
}

#[test]
fn a_film_can_be_cut_to_its_first_steps() {
    let (whole, mut part) = (side_by_side(), side_by_side());
    part.cut(20);
    assert_eq!(part.frames, whole.frames[..=20]);
    part.cut(u32::MAX);
    assert_eq!(part.frames.len(), 21);
}

#[test]
fn a_picture_is_as_wide_as_a_page_whoever_is_in_it() {
    let size = |film: &Film| {
        let mut bytes = Vec::new();
        png(film, 0, &mut bytes).unwrap();
        let reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        (reader.info().width, reader.info().height)
    };
    let recording = Recording::read(&trace()[..], "only.jsonl").unwrap();
    let alone = size(&Film::of_recording(&recording, 0).unwrap());
    let beside = size(&side_by_side());
    assert_eq!((alone.0, beside.0), (800, 800));
    assert!(alone.1 < 800 && beside.1 < 1_000, "{alone:?} {beside:?}");
}

#[test]
fn the_same_film_is_the_same_bytes() {
    let bytes = |film: &Film| {
        let mut bytes = Vec::new();
        gif(film, 10, &mut bytes).unwrap();
        (bytes, html(film))
    };
    assert!(bytes(&side_by_side()) == bytes(&side_by_side()));
}
