//! A store and the instance in it, made for a call. That of a warm plugin is made ready for another one: it is the only way
//! in which anything of a guest outlives its call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use wasmtime::component::Instance;
use wasmtime::{Store, UpdateDeadline};
use wasmtime_wasi::WasiCtx;

use crate::capabilities::{Monotonic, fs};
use crate::host::{CallHost, Setting, Stage, State};
use crate::idle::Place;
use crate::interrupt::Interrupt;
use crate::invoke::Stop;
use crate::limits::size;
use crate::output::Capture;
use crate::plugin::Loaded;
use crate::reuse::{Instances, Life, Reuse};
use crate::turns::Tick;

/// What a sandbox is told about the call that it is for.
pub(crate) struct Terms {
    pub(crate) stage: Stage,
    pub(crate) deadline: Instant,
    pub(crate) host: Arc<dyn CallHost>,
    pub(crate) interrupt: Interrupt,
    pub(crate) tick: Tick,
}

/// A store, its limits, and the instance in it.
pub(crate) struct Sandbox {
    pub(crate) store: Store<State>,
    /// None until the first call has made it.
    instance: Option<Instance>,
    /// Those that the guest may hold open.
    folders: Vec<fs::Identity>,
    made: Instant,
    calls: u32,
    /// The last: it is free when the rest is gone.
    _place: Place<Self>,
}

/// For how long instances of a plugin serve calls like this one; none where each has its own.
fn reuse(plugin: &Loaded, stage: Stage) -> Option<&Reuse> {
    match &plugin.settings.instances {
        // Trying a plugin out says nothing of its calls.
        Instances::Warm(reuse) if stage != Stage::Trial => Some(reuse),
        Instances::Warm(_) | Instances::Fresh => None,
    }
}

/// A sandbox for a call: one that is idle, where the plugin is warm, else an empty one.
pub(crate) fn for_call(plugin: &Loaded, terms: &Terms) -> Result<Sandbox, String> {
    let places = plugin.engine.places();
    if reuse(plugin, terms.stage).is_some()
        && let Some(mut sandbox) = places.take(plugin.number, Instant::now())
        && sandbox.next_call(plugin, terms)?
    {
        return Ok(sandbox);
    }
    Sandbox::new(plugin, terms, places.place())
}

/// Keeps a sandbox whose call is over if it may serve another one; else it is gone when this comes back.
pub(crate) fn after_call(plugin: &Loaded, stage: Stage, answered: bool, mut sandbox: Sandbox) {
    let Some(reuse) = reuse(plugin, stage) else { return };
    let now = Instant::now();
    let life = sandbox.life(answered, now);
    if let Some(retired) = reuse.retires(&life) {
        tracing::debug!(plugin = &*plugin.name, ?retired, life.calls, "an instance is retired");
        if life.calls == 1
            && let Some(why) = retired.in_vain(reuse)
            && !plugin.kept_in_vain.swap(true, Ordering::Relaxed)
        {
            let plugin = &*plugin.name;
            tracing::warn!(plugin, "its instances are warm, but one was of no further use after its first call: {why}");
        }
        return;
    }
    sandbox.rest();
    let until = (now + reuse.max_idle).min(sandbox.made + reuse.max_age);
    plugin.engine.keep(plugin.number, until, sandbox);
}

impl Sandbox {
    /// An empty store with its limits, its deadline and the granted folders.
    fn new(plugin: &Loaded, terms: &Terms, place: Place<Self>) -> Result<Self, String> {
        let limits = &plugin.settings.limits;
        let capture = || Capture::new(size(limits.stdio_bytes), size(u64::from(limits.log_lines)));
        let output = (capture(), capture());
        let monotonic = plugin.granted.monotonic();
        let (wasi, folders) = wasi(plugin, &output, &monotonic)?;
        let mut store = Store::new(plugin.pre.engine(), State::new(setting(plugin, terms), wasi, output, monotonic));
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(size(limits.host_call_bytes));
        store.set_max_component_handles(size(u64::from(limits.handles)));
        let mut sandbox = Self { store, instance: None, folders, made: Instant::now(), calls: 0, _place: place };
        sandbox.begin(plugin, terms)?;
        Ok(sandbox)
    }

    /// Makes it ready for another call. Not if a granted folder is another one by now, of which the guest may hold the one
    /// before.
    fn next_call(&mut self, plugin: &Loaded, terms: &Terms) -> Result<bool, String> {
        let state = self.store.data();
        let (wasi, folders) = wasi(plugin, &state.output(), &state.monotonic)?;
        if folders != self.folders {
            return Ok(false);
        }
        self.store.data_mut().next_call(setting(plugin, terms), wasi);
        self.begin(plugin, terms)?;
        Ok(true)
    }

    /// Sets the limits that each call has for itself.
    fn begin(&mut self, plugin: &Loaded, terms: &Terms) -> Result<(), String> {
        self.calls = self.calls.saturating_add(1);
        let fuel = plugin.settings.limits.fuel;
        if fuel > 0 {
            self.store.set_fuel(fuel).map_err(|error| format!("cannot set the limit of fuel: {error:#}"))?;
        }
        let (interrupt, deadline, tick) = (terms.interrupt.clone(), terms.deadline, terms.tick.clone());
        self.store.epoch_deadline_callback(move |_| {
            if interrupt.is_cancelled() {
                return Err(Stop::Cancelled.into());
            }
            if Instant::now() >= deadline {
                return Err(Stop::TimedOut.into());
            }
            if tick.is_fresh() {
                return Ok(UpdateDeadline::Continue(1));
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tick.clone().over())))
        });
        // The tick under way may be over at once. With a whole one, a guest that takes less than that ends without a pause,
        // in which others would begin and hold memory, too.
        self.store.set_epoch_deadline(2);
        Ok(())
    }

    /// The instance, which the first call makes.
    pub(crate) async fn instance(&mut self, plugin: &Loaded) -> wasmtime::Result<Instance> {
        let instance = match self.instance {
            Some(instance) => instance,
            None => *self.instance.insert(plugin.pre.instantiate_async(&mut self.store).await?),
        };
        self.store.data_mut().begun = true;
        Ok(instance)
    }

    fn life(&mut self, answered: bool, now: Instant) -> Life {
        let (calls, age) = (self.calls, now.duration_since(self.made));
        let state = self.store.data_mut();
        // What a guest that was ended holds is of no interest.
        let held = if answered { state.held() } else { 0 };
        Life { answered, calls, memory: state.meter.held(), age, held }
    }

    /// Lets go of the call: whoever asked for it must not live on in here.
    fn rest(&mut self) {
        self.store.data_mut().rest();
        self.store.epoch_deadline_trap();
    }
}

fn setting<'a>(plugin: &'a Loaded, terms: &Terms) -> Setting<'a> {
    Setting {
        plugin: &plugin.name,
        limits: &plugin.settings.limits,
        granted: &plugin.granted,
        // Trying a plugin out must not have effects.
        http: plugin.http.as_ref().filter(|_| terms.stage != Stage::Trial),
        stage: terms.stage,
        deadline: terms.deadline,
        host: Arc::clone(&terms.host),
        interrupt: terms.interrupt.clone(),
        warm: reuse(plugin, terms.stage).is_some(),
    }
}

/// The inert set and what is granted of it, and which folders it opened. Without any the set is only made when the guest
/// asks for something of it: to make one costs as much as all else that is done for the smallest of calls.
fn wasi(
    plugin: &Loaded,
    output: &(Capture, Capture),
    monotonic: &Monotonic,
) -> Result<(Option<WasiCtx>, Vec<fs::Identity>), String> {
    let grants = &plugin.settings.grants.fs;
    if grants.is_empty() {
        return Ok((None, Vec::new()));
    }
    let mut builder = plugin.granted.inert(output, monotonic, plugin.settings.limits.host_call_bytes);
    let folders = fs::open(&mut builder, grants)?;
    Ok((Some(builder.build()), folders))
}
