//! The service control manager of Windows
//! ([service programs](https://learn.microsoft.com/windows/win32/services/service-programs)), for a process with `--service`.

use std::ffi::OsString;
use std::future::pending;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{ServiceControlHandlerResult, ServiceStatusHandle, register};
use windows_service::{Error, define_windows_service, service_dispatcher};

use super::status::{Event, Report, State, Status, TICK};

/// The process as a service. The manager's calls have no argument for it.
static SERVICE: OnceLock<Service> = OnceLock::new();

/// The manager ignores the name of a service that is alone in its process.
const NAME: &str = "";

struct Service {
    connected: mpsc::Sender<Result<(), Error>>,
    stop: Notify,
    /// One report at a time, so that none follows the end.
    reported: Mutex<(Status, Option<ServiceStatusHandle>)>,
}

define_windows_service!(service_main, serve);

/// Connects to the manager, and reports the start.
///
/// # Errors
///
/// The manager has not started this process.
pub(crate) async fn start() -> Result<(), Error> {
    let (connected, mut connection) = mpsc::channel(1);
    SERVICE.get_or_init(|| Service {
        connected: connected.clone(),
        stop: Notify::new(),
        reported: Mutex::new((Status::starting(), None)),
    });
    // It has the requests of the manager, until the process ends.
    thread::spawn(move || {
        service_dispatcher::start(NAME, service_main).map_err(|error| connected.try_send(Err(error)))
    });
    connection.recv().await.unwrap_or(Ok(()))
}

/// Whether the manager has started this process.
pub(crate) fn is_service() -> bool {
    SERVICE.get().is_some()
}

/// Waits for the manager's request to stop. There is one.
pub(crate) async fn stop_requested() {
    match SERVICE.get() {
        Some(service) => service.stop.notified().await,
        None => pending().await,
    }
}

/// The settings are read, and the process can be stopped: it is running. Not only when its queue answers, because the manager
/// can't stop a service that starts.
pub(crate) fn started() {
    report(Event::Started);
}

/// The process takes messages, which the manager has no state for.
pub fn ready() {}

/// It takes no more, and ends within this time. Otherwise it hangs, and is ended.
pub fn stopping(within: Duration) {
    report(Event::Drain(within));
}

/// It ends now, with this exit code. The manager may end it before it does so itself.
pub(crate) fn ended(code: u8) {
    report(Event::Ended(code));
}

/// The manager has none.
#[derive(Debug)]
pub struct Watchdog;

impl Watchdog {
    /// None.
    pub fn from_env() -> Self {
        Self
    }

    /// Does nothing.
    pub fn feed(&mut self, _now: Instant) {}
}

/// The thread of the service: it reports that the process still starts or drains.
fn serve(_arguments: Vec<OsString>) {
    let Some(service) = SERVICE.get() else {
        return;
    };
    match register(NAME, on_control) {
        Ok(handle) => service.reported.lock().unwrap_or_else(PoisonError::into_inner).1 = Some(handle),
        Err(error) => {
            let _ = service.connected.try_send(Err(error));
            return;
        }
    }
    report(Event::Tick);
    let _ = service.connected.try_send(Ok(()));
    loop {
        thread::sleep(TICK);
        report(Event::Tick);
        if service
            .reported
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .is_overdue()
        {
            tracing::error!("the stop hangs, and the process ends: messages in process are redelivered");
            std::process::exit(1);
        }
    }
}

/// Answers a request of the manager. Not a closure with state: `windows_service` frees that at the first stop, and a second
/// request would find it gone.
fn on_control(control: ServiceControl) -> ServiceControlHandlerResult {
    match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            // Before the answer: from now on the manager sends nothing more.
            report(Event::Stop);
            if let Some(service) = SERVICE.get() {
                service.stop.notify_one();
            }
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    }
}

fn report(event: Event) {
    let Some(service) = SERVICE.get() else {
        return;
    };
    let mut reported = service.reported.lock().unwrap_or_else(PoisonError::into_inner);
    let (status, handle) = &mut *reported;
    if let (Some(report), Some(handle)) = (status.on(event), handle)
        && let Err(error) = handle.set_service_status(status_of(report))
    {
        tracing::warn!("the service control manager did not take {report:?}: {error}");
    }
}

fn status_of(report: Report) -> ServiceStatus {
    let (current_state, code) = match report.state {
        State::Starting => (ServiceState::StartPending, 0),
        State::Running => (ServiceState::Running, 0),
        State::Draining => (ServiceState::StopPending, 0),
        State::Stopped(code) => (ServiceState::Stopped, code),
    };
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state,
        controls_accepted: match report.accepts_stop() {
            true => ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
            false => ServiceControlAccept::empty(),
        },
        exit_code: match code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code.into()),
        },
        checkpoint: report.checkpoint,
        wait_hint: report.wait_hint(),
        process_id: None,
    }
}
