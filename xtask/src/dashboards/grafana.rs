//! The part of Grafana's dashboard model that ours use.

use serde_json::{Value, json};

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// A dashboard.
pub(crate) struct Dashboard {
    /// Its name, also that of its file.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) description: &'static str,
    pub(crate) variables: Vec<Variable>,
    pub(crate) annotations: Vec<Annotation>,
    pub(crate) rows: Vec<Row>,
}

/// What a panel's queries depend on: the values of a label.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// A metric that has the label, with those labels that narrow it down.
    pub(crate) of: &'static str,
    /// Whether several, or all, can be chosen.
    pub(crate) many: bool,
}

/// A mark where this has a value.
pub(crate) struct Annotation {
    pub(crate) name: &'static str,
    pub(crate) query: &'static str,
    pub(crate) text: &'static str,
    pub(crate) colour: &'static str,
}

/// Panels beside each other.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// How a panel shows its queries.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// Lines over time.
    Lines,
    /// One number each.
    Numbers,
    /// Colours by time and bucket.
    Heat,
    /// A row each, the newest values.
    Table,
}

/// A panel.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// What it tells, and what to do about it.
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// Grafana's word for the unit: `s`, `bytes`, `ops`, `short`, `percentunit`.
    pub(crate) unit: &'static str,
    /// Each with its legend. See [`expand`].
    pub(crate) queries: Vec<(&'static str, &'static str)>,
}

impl Panel {
    pub(crate) fn new(
        kind: Kind,
        title: &'static str,
        unit: &'static str,
        help: &'static str,
        queries: &[(&'static str, &'static str)],
    ) -> Panel {
        Panel { title, help, kind, unit, queries: queries.to_vec() }
    }
}

impl Dashboard {
    /// The JSON that Grafana imports.
    pub(crate) fn json(&self) -> String {
        let mut panels = Vec::new();
        let mut y = 0;
        for row in &self.rows {
            panels.push(json!({
                "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            }));
            y += 1;
            let width = COLUMNS / row.panels.len().max(1) as u32;
            let height = row.panels.iter().map(|panel| panel.kind.height()).max().unwrap_or(0);
            for (at, panel) in row.panels.iter().enumerate() {
                let place = json!({"h": height, "w": width, "x": at as u32 * width, "y": y});
                panels.push(panel.json(&place));
            }
            y += height;
        }
        for (id, panel) in panels.iter_mut().enumerate() {
            panel["id"] = (id + 1).into();
        }
        let source = json!({
            "type": "datasource", "name": "datasource", "label": "Data source",
            "query": "prometheus", "hide": 0, "regex": "", "current": {},
        });
        let variables: Vec<Value> =
            std::iter::once(source).chain(self.variables.iter().map(Variable::json)).collect();
        let annotations: Vec<Value> = self.annotations.iter().map(Annotation::json).collect();
        let dashboard = json!({
            "uid": format!("egret-{}", self.name),
            "title": self.title,
            "description": self.description,
            "tags": ["egret"],
            "schemaVersion": 39,
            "editable": true,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-30m", "to": "now"},
            "templating": {"list": variables},
            "annotations": {"list": annotations},
            "links": [{
                "type": "dashboards", "tags": ["egret"], "title": "Egret", "asDropdown": true,
                "includeVars": true, "keepTime": true,
            }],
            "panels": panels,
        });
        format!("{dashboard:#}\n")
    }
}

/// A query as Prometheus reads it. In ours `{n}` stands for the chosen namespaces, `{*}` for the
/// chosen topology, `{c}` for the chosen components of it, each with room for more after a comma;
/// `[r]` for the range that a rate is taken over.
pub(crate) fn expand(query: &str) -> String {
    const NAMESPACE: &str = r#"namespace=~"$namespace""#;
    const TOPOLOGY: &str = r#"namespace=~"$namespace", topology="$topology""#;
    const COMPONENT: &str =
        r#"namespace=~"$namespace", topology="$topology", component=~"$component""#;
    let mut text = query.replace("[r]", "[$__rate_interval]");
    for (short, long) in [("{n", NAMESPACE), ("{*", TOPOLOGY), ("{c", COMPONENT)] {
        for end in ['}', ','] {
            text = text.replace(&format!("{short}{end}"), &format!("{{{long}{end}"));
        }
    }
    text
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Variable {
    fn json(&self) -> Value {
        let all = json!({"text": "All", "value": "$__all"});
        let query = format!("label_values({}, {})", expand(self.of), self.name);
        json!({
            "type": "query", "name": self.name, "label": self.name, "datasource": source(),
            "query": {"query": query, "refId": self.name}, "definition": query,
            // When the time range changes: topologies come and go.
            "refresh": 2, "sort": 1, "hide": 0, "regex": "",
            "multi": self.many, "includeAll": self.many,
            // A local run has no namespace, and is shown too.
            "allValue": if self.many { json!(".*") } else { Value::Null },
            "current": if self.many { all } else { json!({}) },
        })
    }
}

impl Annotation {
    fn json(&self) -> Value {
        json!({
            "name": self.name, "datasource": source(), "enable": true, "iconColor": self.colour,
            "expr": expand(self.query), "step": "15s", "titleFormat": self.name,
            "textFormat": self.text, "useValueForTime": false,
        })
    }
}

impl Kind {
    fn height(self) -> u32 {
        match self {
            Kind::Numbers => 4,
            Kind::Lines | Kind::Heat | Kind::Table => 8,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Lines => "timeseries",
            Kind::Numbers => "stat",
            Kind::Heat => "heatmap",
            Kind::Table => "table",
        }
    }

    fn options(self) -> Value {
        let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self {
            Kind::Lines => json!({
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Numbers => json!({
                "reduceOptions": last, "colorMode": "value", "graphMode": "area",
                "textMode": "auto",
            }),
            Kind::Heat => json!({
                "calculate": false, "cellGap": 1, "yAxis": {"unit": "s"},
                "color": {"mode": "scheme", "scheme": "Spectral", "steps": 64},
                "legend": {"show": true}, "tooltip": {"show": true},
            }),
            Kind::Table => {
                json!({"showHeader": true, "sortBy": [{"displayName": "Value", "desc": true}]})
            }
        }
    }
}

impl Panel {
    fn json(&self, place: &Value) -> Value {
        let targets: Vec<Value> =
            self.queries.iter().zip('A'..).map(|(query, id)| self.target(query, id)).collect();
        let mut panel = json!({
            "type": self.kind.word(),
            "title": self.title,
            "description": self.help,
            "datasource": source(),
            "gridPos": place,
            "fieldConfig": {
                "defaults": {"unit": self.unit, "min": 0, "custom": {}}, "overrides": [],
            },
            "options": self.kind.options(),
            "targets": targets,
        });
        if let Kind::Table = self.kind {
            // The time of the newest value says nothing.
            panel["transformations"] = json!([
                {"id": "organize", "options": {"excludeByName": {"Time": true}}},
            ]);
        }
        panel
    }

    fn target(&self, (query, legend): &(&str, &str), id: char) -> Value {
        let (format, instant) = match self.kind {
            Kind::Lines | Kind::Numbers => ("time_series", false),
            Kind::Heat => ("heatmap", false),
            Kind::Table => ("table", true),
        };
        json!({
            "refId": id.to_string(), "datasource": source(), "expr": expand(query),
            "legendFormat": legend, "format": format, "instant": instant, "range": !instant,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::dashboards::all;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn panels_have_a_place_of_their_own_and_say_what_they_tell() {
        for dashboard in all() {
            let json: Value = serde_json::from_str(&dashboard.json()).unwrap();
            let panels = json["panels"].as_array().unwrap();
            let mut taken = BTreeSet::new();
            for panel in panels {
                let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
                assert!(at("x") + at("w") <= 24, "{panel}");
                for x in at("x")..at("x") + at("w") {
                    for y in at("y")..at("y") + at("h") {
                        assert!(taken.insert((x, y)), "{} lies on another", panel["title"]);
                    }
                }
                let help = panel["description"].as_str();
                assert!(panel["type"] == "row" || help.is_some_and(|help| help.ends_with('.')));
            }
        }
    }
}
