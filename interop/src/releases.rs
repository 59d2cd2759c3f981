/// Makes a test of each named function, for every release that is tested.
///
/// The functions take an [`Otp`](crate::Otp). Their tests are named `otp25::…`, `otp27::…` and
/// `otp29::…`, and run on a current-thread runtime; the crate that uses this needs tokio.
///
/// ```no_run
/// use interop::{Otp, on_each_release};
///
/// async fn a_node_knows_its_release(otp: Otp) {
///     let beam = otp.beam().start().await.expect("a node starts");
///     let printed = beam.expression("erlang:system_info(otp_release)").text().await;
///     assert_eq!(printed.expect("it answers"), format!("{:?}", otp.number().to_string()));
/// }
///
/// on_each_release! { a_node_knows_its_release }
/// ```
#[macro_export]
macro_rules! on_each_release {
    ($($test:ident),+ $(,)?) => {
        $crate::on_each_release!(@release otp25, 25, $($test),+);
        $crate::on_each_release!(@release otp27, 27, $($test),+);
        $crate::on_each_release!(@release otp29, 29, $($test),+);
    };
    (@release $module:ident, $number:literal, $($test:ident),+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    let otp = $crate::Otp::release($number).expect("the release is installed");
                    super::$test(otp).await;
                }
            )+
        }
    };
}
