//! The terminal while `egret top` runs: another screen, no line editing, and everything as it was
//! when it ends, however it ends.

use super::{
    EVERY,
    screen::{self, Line, Paint, Size},
};
use crate::{run::signals::Signals, ui::look::look};
use crossterm::{
    cursor,
    event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    execute, queue,
    style::Print,
    terminal::{
        self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate,
        EnterAlternateScreen, LeaveAlternateScreen,
    },
};
use egret_process::Exit;
use egret_ui::{api::Api, snapshot::Snapshot};
use std::{
    io::{self, Stdout, Write},
    panic, thread,
    time::Duration,
};
use tokio::{sync::mpsc, time};

/// How long a key is waited for before it is asked whether anybody still listens.
const PATIENCE: Duration = Duration::from_millis(200);
/// Keys that may wait.
const KEYS: usize = 16;

/// Shows the topology until somebody has seen enough.
pub(super) async fn watch(api: &impl Api) -> Result<Exit, String> {
    // The first look before anything changes: what is wrong is then told as usual.
    let mut shown = Shown { snapshot: look(api).await?, tasks: true, first: 0 };
    let words = |error: io::Error| format!("the terminal cannot be used: {error}");
    let mut end = Signals::listen().map_err(words)?;
    let mut screen = Screen::enter().map_err(words)?;
    let mut keys = keys().map_err(words)?;
    let mut looks = time::interval_at(time::Instant::now() + EVERY, EVERY);
    looks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        screen.draw(&mut shown).map_err(words)?;
        // A look can take long, and a key must not wait for it.
        let looked = async {
            looks.tick().await;
            look(api).await
        };
        tokio::pin!(looked);
        loop {
            tokio::select! {
                () = end.next() => return Ok(Exit::Interrupted),
                key = keys.recv() => match key {
                    Some(event) => {
                        if let Some(exit) = shown.hear(&event, screen.rows()) {
                            return Ok(exit);
                        }
                        screen.draw(&mut shown).map_err(words)?;
                    }
                    None => return Err("the terminal is gone".to_owned()),
                },
                looked = &mut looked => {
                    match looked {
                        Ok(snapshot) => shown.snapshot = snapshot,
                        // What was seen last stays on the screen.
                        Err(why) => {
                            shown.snapshot.stale = Some(why);
                            shown.snapshot.age_seconds += EVERY.as_secs_f64();
                        }
                    }
                    break;
                }
            }
        }
    }
}

/// What is on the screen, and which part of it.
struct Shown {
    snapshot: Snapshot,
    tasks: bool,
    first: usize,
}

impl Shown {
    fn hear(&mut self, event: &Event, rows: usize) -> Option<Exit> {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else {
            return None;
        };
        let page = rows.saturating_sub(2).max(1);
        match code {
            // Without line editing Ctrl-C is a key like any other.
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => {
                return Some(Exit::Interrupted);
            }
            KeyCode::Char('q') | KeyCode::Esc => return Some(Exit::Ok),
            KeyCode::Char('t') => self.tasks = !self.tasks,
            KeyCode::Up | KeyCode::Char('k') => self.first = self.first.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.first += 1,
            KeyCode::PageUp => self.first = self.first.saturating_sub(page),
            KeyCode::PageDown => self.first += page,
            KeyCode::Home => self.first = 0,
            _ => {}
        }
        None
    }
}

/// The screen that is ours; dropped, it is again what it was.
struct Screen {
    out: Stdout,
    paint: Paint,
}

impl Screen {
    fn enter() -> io::Result<Screen> {
        // A panic is told on the usual screen.
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            restore();
            print(panic);
        }));
        terminal::enable_raw_mode()?;
        let mut screen = Screen { out: io::stdout(), paint: Paint::of_terminal() };
        execute!(screen.out, EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }

    fn rows(&self) -> usize {
        terminal::size().map_or(24, |(_, rows)| rows.into())
    }

    fn draw(&mut self, shown: &mut Shown) -> io::Result<()> {
        let (columns, rows) = terminal::size().unwrap_or((80, 24));
        let size =
            Size { columns: columns.into(), rows: usize::from(rows).saturating_sub(1).max(1) };
        let lines: Vec<Line> = screen::lines(&shown.snapshot, shown.tasks);
        shown.first = shown.first.min(lines.len().saturating_sub(size.rows));
        let text = screen::render(&lines, size, shown.first, self.paint);
        queue!(self.out, BeginSynchronizedUpdate, cursor::MoveTo(0, 0))?;
        for line in text.lines() {
            queue!(self.out, Print(line), Clear(ClearType::UntilNewLine), Print("\r\n"))?;
        }
        let more = lines.len() > size.rows;
        let keys = if more { "q ends   t tasks   arrows scroll" } else { "q ends   t tasks" };
        let keys: String = keys.chars().take(size.columns).collect();
        queue!(self.out, Clear(ClearType::FromCursorDown), cursor::MoveTo(0, rows))?;
        queue!(self.out, Print(keys), EndSynchronizedUpdate)?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// As it was. If the terminal is gone there is nothing to restore.
fn restore() {
    let _ = execute!(io::stdout(), cursor::Show, LeaveAlternateScreen);
    let _ = terminal::disable_raw_mode();
}

/// Keys, from a thread that ends with the process or when nobody listens.
fn keys() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS);
    thread::Builder::new().name("keys".into()).spawn(move || {
        while !sender.is_closed() {
            match event::poll(PATIENCE) {
                Ok(false) => {}
                Ok(true) => match event::read() {
                    Ok(event) if sender.blocking_send(event).is_ok() => {}
                    _ => return,
                },
                Err(_) => return,
            }
        }
    })?;
    Ok(receiver)
}
