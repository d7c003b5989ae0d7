//! What `save_images` writes.

use serde_json::json;

use crate::client::{Server, picture, tiny};

/// All files under the folder for saved pictures.
fn files(server: &Server) -> Vec<String> {
    let tree = server.sandbox.tree("saved");
    tree.into_keys().filter(|name| server.sandbox.path(&format!("saved/{name}")).is_file()).collect()
}

#[test]
fn pictures_are_saved_where_they_are_asked_to_be() {
    let server = Server::start(&[]);
    let answer = server.done("/sdapi/v1/txt2img", &tiny(json!({ "save_images": true, "send_images": true })));
    let files = files(&server);
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].ends_with("/00000-7.png") && files[0].len() == "YYYY-MM-DD/00000-7.png".len(), "{files:?}");
    assert!(server.sandbox.bytes(&format!("saved/{}", files[0])) == picture(&answer));
    server.done("/sdapi/v1/txt2img", &tiny(json!({})));
    assert_eq!(self::files(&server).len(), 1, "nothing is written unasked");
}

#[test]
fn a_killed_server_leaves_whole_files() {
    let mut server = Server::start(&[]);
    let request = tiny(json!({ "save_images": true, "n_iter": 100, "steps": 1 }));
    let asked = server.begin("POST", "/sdapi/v1/txt2img", &[], request.to_string().as_bytes());
    server.until("some files", |server| files(server).iter().filter(|name| name.ends_with(".png")).count() >= 3);
    server.kill();
    drop(asked);
    let pictures: Vec<String> = files(&server).into_iter().filter(|name| name.ends_with(".png")).collect();
    assert!((3..100).contains(&pictures.len()), "{}", pictures.len());
    for name in pictures {
        // Every picture that has its name is whole.
        server.sandbox.picture(&format!("saved/{name}"));
    }
}

#[test]
fn a_saving_job_goes_on_when_its_client_is_gone() {
    let server = Server::start(&[]);
    let request = tiny(json!({ "save_images": true, "n_iter": 3, "steps": 30 }));
    let asked = server.begin("POST", "/sdapi/v1/txt2img", &[], request.to_string().as_bytes());
    server.until("the job", Server::is_running);
    drop(asked);
    server.until("the end", Server::is_idle);
    assert_eq!(files(&server).len(), 3);
}
