//! `lbw worker --stdio`: plans in, events out, one line of JSON each, while the model stays loaded.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use crate::app::worker::{Wish, failed, serve};
use crate::app::{Caller, Session};
use crate::cli::args::{EngineArgs, PlaceArgs, SettingsArgs};
use crate::cli::exit::CommandResult;
use crate::cli::language::tell;
use crate::cli::terminal::Terminal;

#[derive(Debug, Args)]
#[command(after_long_help = tell(PROTOCOL[0], PROTOCOL[1]))]
pub struct WorkerArgs {
    #[arg(
        long, required = true,
        help = tell("Take jobs from standard input, write events to standard output", "標準入力からジョブを受け取り、標準出力に出来事を書きます"),
    )]
    pub stdio: bool,
    #[arg(
        short, long, value_name = "DIR", default_value = "lbw-out",
        help = tell("The folder for the images", "画像のフォルダー"),
    )]
    pub output: PathBuf,
    #[arg(long, value_name = "IMAGE", help = tell("The pictures that img2img plans draw over", "img2img の計画が下敷きにする画像"))]
    pub init: Vec<PathBuf>,
    #[arg(
        long, value_name = "IMAGE",
        help = tell("Masks of these pictures; their own transparency is known", "これらの画像のマスク。画像自身の透明度は渡さなくても分かります"),
    )]
    pub mask: Vec<PathBuf>,
    /// What requests that say nothing else have.
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

const PROTOCOL: [&str; 2] = [
    "\
A job is a line of JSON: a plan as `lbw plan --json` prints it, or {\"plan\": PLAN, \"file\": NAME, \"tag\": ANYTHING}, or a request {\"request\": {\"prompt\": \"a cat\", \"steps\": 20, …}, \"file\": …, \"tag\": …} with settings under any of their names. NAME is a path inside the output folder [default: ID.png, the id being the picture's]; a file of that name is replaced. `tag` comes back in all events of the job. A plan that is drawn with another checkpoint than the worker's has \"model\" and \"vae\" beside it.

With \"dry_run\": true a plan or request is not drawn: its plans are told. So are those of prompt files: {\"dry_run\": true, \"files\": [PATH, …], \"keep_going\": false, \"seed_base\": N}, or of a piece of one: \"text\", \"name\" and \"first_line\" in the place of \"files\". Seeds that are left open follow from seed_base. {\"analyze\": {\"blocks\": …, \"seeds\": …, \"quick\": …, \"toward\": …, \"folder\": NAME}, \"request\": …} is `lbw analyze` in a folder inside the output folder, and {\"xyz\": {\"x\": \"Seed=1,2\", \"y\": …, \"z\": …, \"base\": …, \"cell_size\": …, \"max_cells\": …, \"folder\": NAME}, \"request\": …} is `lbw xyz`. {\"tune\": {\"toward\": …, \"keep\": …, \"fix\": …, \"seeds\": …, \"prompts\": [more, …], \"verify_prompts\": …, \"budget\": …}, \"request\": …} is `lbw tune`, and {\"atlas\": {\"seeds\": …, \"prompts\": …, \"whole\": …}, \"request\": …} `lbw atlas`; they tell no plans. With \"dry_run\": true the folder is begun and the plans of the pictures are told that it wants: those that somebody puts into its `cells` under the names told are not drawn again.

Events are lines of JSON: {\"event\": \"ready\", \"version\": …} once the model is open (or \"failed\" without a tag), then for each job
  {\"event\": \"started\"}
  {\"event\": \"found\", \"finding\": …}  something to be said about the job, as `lbw check --json` prints it
  {\"event\": \"step\", \"step\": 1, \"steps\": 20}
  {\"event\": \"done\", \"id\": …, \"file\": …, \"crc32\": …, \"seed\": …, \"parameters\": …}  the file is whole and on the disk
  {\"event\": \"planned\", \"id\": …, \"seed\": …, \"plan\": …, \"source\": …, \"line\": …}  with dry_run, for each picture; \"model\" and \"vae\" where they are not the worker's, \"cell\" the name of its file in a study
  {\"event\": \"end\", \"pictures\": 3}  with dry_run, after the last; of a study with its \"seed\"
  {\"event\": \"picture\", \"number\": 1, \"of\": 14}  a study begins with the next picture
  {\"event\": \"analyzed\", \"report\": …, \"text\": …, \"page\": …}  the report as `lbw analyze --json` prints it
  {\"event\": \"tuned\", …} or {\"event\": \"mapped\", …}  the same of `lbw tune` and `lbw atlas`
  {\"event\": \"plotted\", \"plot\": …, \"grids\": [PATH, …], \"pictures\": {ID: PATH, …}}  axes, labels and the id in each cell
  {\"event\": \"failed\", \"exit\": 2 or 3, \"message\": …, \"findings\": […]}  2: the job is wrong; 3: a file or device is
The worker ends when its input does, with 1 if a job failed.",
    "\
ジョブは JSON の 1 行です: `lbw plan --json` が出力する計画か、{\"plan\": 計画, \"file\": 名前, \"tag\": 何でも}、または {\"request\": {\"prompt\": \"a cat\", \"steps\": 20, …}, \"file\": …, \"tag\": …} という要求 (設定はどの名前でも書けます)。名前は出力フォルダーの中のパスで [既定: ID.png、ID は画像のもの]、同じ名前のファイルは置き換えます。`tag` はそのジョブのすべての出来事に付いて返ります。ほかのチェックポイントで描く計画には \"model\" と \"vae\" を並べて書きます。

\"dry_run\": true を付けると描かずに計画を返します。プロンプトのファイルも同じで、{\"dry_run\": true, \"files\": [パス, …], \"keep_going\": false, \"seed_base\": N} とします。ファイルの一部なら \"files\" の代わりに \"text\"・\"name\"・\"first_line\" です。指定のないシードは seed_base から決まります。{\"analyze\": {\"blocks\": …, \"seeds\": …, \"quick\": …, \"toward\": …, \"folder\": 名前}, \"request\": …} は、出力フォルダーの中のフォルダーで行う `lbw analyze` です。{\"xyz\": {\"x\": \"Seed=1,2\", \"y\": …, \"z\": …, \"base\": …, \"cell_size\": …, \"max_cells\": …, \"folder\": 名前}, \"request\": …} は `lbw xyz` です。{\"tune\": {\"toward\": …, \"keep\": …, \"fix\": …, \"seeds\": …, \"prompts\": [ほかのプロンプト, …], \"verify_prompts\": …, \"budget\": …}, \"request\": …} は `lbw tune`、{\"atlas\": {\"seeds\": …, \"prompts\": …, \"whole\": …}, \"request\": …} は `lbw atlas` で、計画は返しません。\"dry_run\": true を付けると、フォルダーを作り、必要な画像の計画を返します。返された名前でその `cells` に置かれた画像は描き直しません。

出来事は JSON の行です。モデルが開くと {\"event\": \"ready\", \"version\": …} (開けなければ tag のない \"failed\")、その後ジョブごとに
  {\"event\": \"started\"}
  {\"event\": \"found\", \"finding\": …}  ジョブについての指摘。`lbw check --json` の出力と同じ
  {\"event\": \"step\", \"step\": 1, \"steps\": 20}
  {\"event\": \"done\", \"id\": …, \"file\": …, \"crc32\": …, \"seed\": …, \"parameters\": …}  ファイルが完全に書かれた
  {\"event\": \"planned\", \"id\": …, \"seed\": …, \"plan\": …, \"source\": …, \"line\": …}  dry_run のとき画像ごとに。ワーカーのものでなければ \"model\" と \"vae\"、分析やプロットではファイル名 \"cell\" も
  {\"event\": \"end\", \"pictures\": 3}  dry_run の最後に。分析やプロットでは \"seed\" も
  {\"event\": \"picture\", \"number\": 1, \"of\": 14}  分析やプロットが次の画像に進んだ
  {\"event\": \"analyzed\", \"report\": …, \"text\": …, \"page\": …}  `lbw analyze --json` と同じレポート
  {\"event\": \"tuned\", …} または {\"event\": \"mapped\", …}  `lbw tune` と `lbw atlas` の同じもの
  {\"event\": \"plotted\", \"plot\": …, \"grids\": [パス, …], \"pictures\": {ID: パス, …}}  軸とラベルと各マスの ID
  {\"event\": \"failed\", \"exit\": 2 または 3, \"message\": …, \"findings\": […]}  2: ジョブの誤り、3: ファイルや装置の問題
入力が終わると終わります。失敗したジョブがあれば終了コードは 1 です。",
];

pub fn run(args: &WorkerArgs, terminal: Terminal) -> CommandResult {
    let caller = Caller { patch: args.settings.patch()?, is_default: true, strict: false };
    let session = Session::open(&args.places.places(), caller);
    // Whoever drives the worker reads events.
    let session = match session {
        Ok(session) => Arc::new(session),
        Err(error) => {
            terminal.line(failed(&Value::Null, &error, terminal.language))?;
            return Err(error.into());
        }
    };
    let (folder, init, mask) = (args.output.clone(), args.init.clone(), args.mask.clone());
    let wish = Wish { folder, init, mask, language: terminal.language };
    let mut printed = Ok(());
    let mut listener = |event| {
        if printed.is_ok() {
            printed = terminal.line(event);
        }
        printed.is_ok()
    };
    let served = serve(session, args.engine.settings()?, wish, &mut std::io::stdin().lock(), &mut listener);
    printed?;
    Ok(served?)
}
