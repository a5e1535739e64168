//! A version that is loaded already, with other settings: its file may be another by now, or gone. Nothing is compiled.

use std::sync::Arc;

use crate::capabilities::Granted;
use crate::load::{Version, checked, link, reuse};
use crate::load_error::{LoadError, Problem};
use crate::plugin::{Loaded, Plugin, PluginSettings};

impl Plugin {
    /// The same version with other settings: what is granted is found anew, and the plugin is tried out. Its pin is not
    /// looked at, nor the size of its file. It blocks as `load` does. A change of limits for which it would have to be
    /// compiled anew is refused.
    pub fn with_settings(&self, settings: PluginSettings) -> Result<Self, LoadError> {
        relink(self, settings).map_err(|problem| LoadError {
            plugin: Some(self.name().to_owned()),
            path: self.path().to_owned(),
            problem: Box::new(problem),
        })
    }
}

fn relink(plugin: &Plugin, settings: PluginSettings) -> Result<Plugin, Problem> {
    let Loaded { name, path, digest, exports, imports, engine, .. } = &*plugin.0;
    let settings = checked(engine, settings)?;
    let granted = Granted::read(&settings.grants)?;
    let build = engine.build_for(&settings.limits);
    let Some((machine, component)) = reuse(engine, build, plugin) else {
        let text = "the new limits need code that is compiled anew, and its file may hold another version by now; wait until that is in force, or restart the host";
        return Err(Problem::Limit(text.to_owned()));
    };
    let version = Version {
        name: Arc::clone(name),
        path: path.clone(),
        digest: digest.clone(),
        exports: *exports,
        imports: imports.clone(),
    };
    link(engine, version, (&machine, component, build), (settings, granted))
}
