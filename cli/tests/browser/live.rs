//! What the page shows of real runs.

use crate::{page::Page, run::Run};

/// A diamond in two pods, with two streams between two of its components.
const HEALTHY: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: healthy}
spec:
  pods: 2
  spouts:
  - {name: words, parallelism: 2, config: {words: 100, rate: 400}}
  bolts:
  - {name: keep, component: filter, config: {matches: '[a-z]'}, inputs: [{from: words}]}
  - name: count
    parallelism: 2
    tick: 1s
    inputs: [{from: words, grouping: Fields, fields: [word]}]
  - {name: show, component: print, inputs: [{from: keep}]}
  - name: end
    component: discard
    inputs: [{from: count, grouping: Global}, {from: count, stream: top, grouping: Global}]
";

/// A bolt that takes five milliseconds for each line, before one that takes none.
const SLOW: &str = "
apiVersion: egret.dev/v1alpha1
kind: Topology
metadata: {name: slow}
spec:
  pods: 2
  maxPending: 400
  spouts:
  - {name: lines, config: {path: DIR/input}}
  bolts:
  - {name: before, component: filter, config: {contains: line}, inputs: [{from: lines}]}
  - {name: slow, component: trouble, config: {does: slow, pauseMs: 5}, inputs: [{from: before}]}
  - {name: end, component: discard, inputs: [{from: slow}]}
";

fn lines() -> String {
    (0..100_000).map(|number| format!("line {number}\n")).collect()
}

fn healthy() -> Option<(Run, Page)> {
    let run = Run::start(HEALTHY, "");
    let page = Page::open(&run.origin)?;
    Some((run, page))
}

#[test]
fn every_component_edge_task_and_pod_is_there_and_rates_move() {
    let Some((_run, mut page)) = healthy() else { return };
    let names =
        "JSON.stringify([...document.querySelectorAll('.node')].map(n => n.dataset.component))";
    assert_eq!(page.value(names), r#"["words","keep","count","show","end"]"#);
    assert_eq!(page.value("document.querySelectorAll('.edge-label').length"), 5);
    assert_eq!(page.value("document.querySelectorAll('.edge path.line').length"), 5);
    page.until("/^[1-9].*\\/s$/.test(document.querySelector('.node.spout .number').innerText)");
    let labels = "[...document.querySelectorAll('.edge-label')]";
    page.until(&format!("{labels}.filter(label => /^[1-9]/.test(label.innerText)).length >= 4"));
    let total = "document.querySelector('.tile .more').innerText";
    let before = page.value(total);
    page.until(&format!("{total} !== {before}"));
    page.click("[data-tab=tasks]");
    page.until("document.querySelectorAll('#table tbody tr').length === 7");
    page.click("[data-tab=pods]");
    page.until("document.querySelectorAll('#table tbody tr').length === 2");
    page.until("document.querySelectorAll('#table .chip').length === 7");
    page.assert_well_behaved();
}

#[test]
fn a_slow_bolt_is_named_as_the_one_that_holds_the_others_back() {
    let run = Run::start(SLOW, &lines());
    let Some(mut page) = Page::open(&run.origin) else { return };
    page.until("document.querySelector('.node.holds')?.dataset.component === 'slow'");
    page.until("document.querySelectorAll('.node.holds').length === 1");
    page.until("/slow\\[0\\] holds back/.test(document.querySelector('.findings').innerText)");
    // One click leads from the finding to the task.
    page.click(".findings button");
    page.until("document.querySelector('#detail h2')?.innerText === 'slow[0]'");
    let top = run.egret(&["top", "--once"]);
    assert!(top.contains("! slow[0] holds back"), "{top}");
    page.assert_well_behaved();
}

#[test]
fn dark_and_light_follow_the_system_until_somebody_chooses() {
    let Some((_run, mut page)) = healthy() else { return };
    // The first number of `rgb(r, g, b)`: above 200 the ground is light.
    let red = "parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0])";
    page.prefer("dark");
    page.until(&format!("{red} < 60"));
    page.prefer("light");
    page.until(&format!("{red} > 200"));
    page.click(".theme");
    page.prefer("dark");
    page.until("document.documentElement.dataset.theme === 'light'");
    page.until(&format!("{red} > 200"));
    page.click(".theme");
    page.prefer("light");
    page.until(&format!("{red} < 60"));
    page.assert_well_behaved();
}

#[test]
fn at_400_and_at_1280_pixels_nothing_scrolls_sideways() {
    let Some((_run, mut page)) = healthy() else { return };
    for width in [400, 1280] {
        page.resize(width, 800);
        for hash in ["", "component/words", "task/1", "edge/count/top/end"] {
            page.value(&format!("location.hash = '{hash}'"));
            let shown = if hash.is_empty() { "!" } else { "" };
            page.until(&format!("{shown}document.querySelector('#detail')"));
            for tab in ["components", "tasks", "pods"] {
                page.click(&format!("[data-tab={tab}]"));
                page.until(&format!("document.querySelector('#tab-{tab}[aria-selected=true]')"));
                page.assert_no_sideways_scroll(&format!("{width} {hash} {tab}"));
            }
        }
    }
    page.resize(400, 800);
    // Narrow pages show the graph from top to bottom.
    page.until("document.querySelector('.graph.down')");
    page.assert_well_behaved();
}

#[test]
fn a_task_shows_its_log() {
    let Some((_run, mut page)) = healthy() else { return };
    page.click("[data-component=show]");
    page.click("#detail .tasks-list button");
    page.until("/word=/.test(document.querySelector('.log')?.innerText)");
    let log = page.value("document.querySelectorAll('.log p').length");
    assert!(log.as_u64() <= Some(200), "{log} lines");
    page.assert_well_behaved();
}

#[test]
fn tuples_are_read_only_while_somebody_asks_for_them() {
    let Some((_run, mut page)) = healthy() else { return };
    page.click("[data-edge='edge/words/default/keep']");
    page.until("document.querySelector('#detail h2')?.innerText === 'words → keep'");
    let asked =
        |page: &mut Page| page.requests().iter().filter(|url| url.contains("/api/samples")).count();
    assert_eq!(asked(&mut page), 0);
    page.click("#detail .button");
    page.until("/^[a-z]{20}$/.test(document.querySelector('.samples .value')?.innerText)");
    page.until("document.querySelector('.samples th:nth-child(2)').innerText === 'word'");
    assert!(asked(&mut page) > 0);
    page.click("#detail .button");
    page.until("document.querySelector('#detail .button').innerText === 'Show samples'");
    let before = asked(&mut page);
    // Two more snapshots are asked for, and no more tuples but for a question on its way.
    let total = "document.querySelector('.tile .more').innerText";
    for _ in 0..2 {
        let now = page.value(total);
        page.until(&format!("{total} !== {now}"));
    }
    assert!(asked(&mut page) <= before + 1);
    page.assert_well_behaved();
}

#[test]
fn a_run_that_is_gone_is_shown_as_not_live() {
    let Some((mut run, mut page)) = healthy() else { return };
    page.until("document.querySelector('.live').innerText === 'live'");
    run.kill();
    page.until("/Not live/.test(document.querySelector('[role=alert]')?.innerText)");
    page.until("/old$/.test(document.querySelector('.live.off')?.innerText)");
    assert_eq!(page.value("document.querySelectorAll('.node').length"), 5, "what was, stays");
}

#[test]
fn the_keyboard_reaches_everything_and_everything_has_a_name() {
    let Some((_run, mut page)) = healthy() else { return };
    let (tab, enter, escape) = (("Tab", 9), ("Enter", 13), ("Escape", 27));
    for _ in 0..10 {
        page.press(tab.0, tab.1);
        if page.value("document.activeElement.classList.contains('node')") == true {
            break;
        }
    }
    let chosen = page.value("document.activeElement.dataset.component");
    page.press(enter.0, enter.1);
    page.until(&format!("document.querySelector('#detail h2')?.innerText === {chosen}"));
    page.press(escape.0, escape.1);
    page.until("!document.querySelector('#detail')");
    let nameless = "[...document.querySelectorAll('button, a, [role]')].filter(element =>
        !(element.getAttribute('aria-label') || element.getAttribute('aria-labelledby')
          || element.innerText.trim())).map(element => element.outerHTML).join()";
    assert_eq!(page.value(nameless), "");
    assert_eq!(page.value("document.querySelectorAll('h1').length"), 1);
    assert_eq!(page.value("document.documentElement.lang"), "en");
}
