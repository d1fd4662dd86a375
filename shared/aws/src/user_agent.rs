//! The user agent of requests, built once.

use std::sync::OnceLock;

use aws_runtime::user_agent::{ApiMetadata, AwsUserAgent, UserAgentInterceptor};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, disable_interceptor, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_types::os_shim_internal::Env;

/// Sends the SDK's user agent as one header that is not signed. The SDK would build it for each request, with the features that the
/// request uses, and send it twice.
#[derive(Debug, Default)]
pub struct UserAgent(OnceLock<String>);

#[dyn_dispatch_hint]
impl Intercept for UserAgent {
    fn name(&self) -> &'static str {
        "UserAgent"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let disabled = disable_interceptor::<UserAgentInterceptor>("the user agent is built once");
        config.interceptor_state().store_put(disabled);
        Ok(())
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(api) = config.load::<ApiMetadata>() {
            let user_agent = || AwsUserAgent::new_from_environment(Env::real(), api.clone()).ua_header();
            let user_agent = self.0.get_or_init(user_agent).clone();
            context
                .request_mut()
                .headers_mut()
                .try_insert("user-agent", user_agent)?;
        }
        Ok(())
    }
}
