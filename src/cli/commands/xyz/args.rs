//! What `lbw xyz` takes.

use std::path::PathBuf;

use clap::Args;

use crate::app::xyz::{MAX_CELLS, MIN_CELL_SIZE, Wish};
use crate::cli::args::{EngineArgs, PlaceArgs, PromptArgs, ViaArgs};
use crate::cli::language::tell;

const AXES: [&str; 2] = [
    "\
Axes, written TYPE=VALUES:
  Block ID, values     blocks (IN05, IN04-M00, NOT BASE), and the weights they get; both are needed
  Original Weights     presets that XYZ stands for (also: preset); on X and Y their sum
  elements             element rules for lbwe=XYZ
  seed                 -1 draws one
  strength             of the LoRA with lbw=XYZ, or of the only one
  Steps, CFG Scale     numbers, or ranges: 10-30 (+5), 4-8 [3]
  Sampler, Schedule type
  Prompt S/R           the first value is searched for and replaced by each

Axes of block weights act where a tag says lbw=XYZ; lbw=ZYX is the complement (1 - weight).

Examples:
  lbw xyz \"red circle <lora:house:1:1:lbw=XYZ>\" --x \"Block ID=IN04-IN05,IN07-IN08,OUT00-OUT02\" --y values=0,0.5,1
  lbw xyz \"red circle <lora:house:1>\" --x strength=0-1(+0.25) --y seed=1,2,3 -o plot",
    "\
軸は 種類=値 と書きます:
  Block ID, values     ブロック (IN05、IN04-M00、NOT BASE) と、その重み。両方が要ります
  Original Weights     XYZ の値にするプリセット (preset とも書けます)。X と Y では和
  elements             lbwe=XYZ の要素のルール
  seed                 -1 は乱数
  strength             lbw=XYZ の LoRA、または唯一の LoRA の強度
  Steps, CFG Scale     数値、または範囲: 10-30 (+5)、4-8 [3]
  Sampler, Schedule type  名前
  Prompt S/R           最初の値を探し、それぞれの値に置き換えます

階層別の重みの軸は、タグに lbw=XYZ とあるところに効きます。lbw=ZYX はその補数 (1 - 重み) です。

例:
  lbw xyz \"red circle <lora:house:1:1:lbw=XYZ>\" --x \"Block ID=IN04-IN05,IN07-IN08,OUT00-OUT02\" --y values=0,0.5,1
  lbw xyz \"red circle <lora:house:1>\" --x strength=0-1(+0.25) --y seed=1,2,3 -o plot",
];

#[derive(Debug, Args)]
#[command(after_long_help = tell(AXES[0], AXES[1]))]
pub struct XyzArgs {
    #[arg(
        long, value_name = "TYPE=VALUES", allow_hyphen_values = true,
        help = tell("What the columns vary", "列で変えるもの"),
    )]
    pub x: Option<String>,
    #[arg(long, value_name = "TYPE=VALUES", allow_hyphen_values = true, help = tell("What the rows vary", "行で変えるもの"))]
    pub y: Option<String>,
    #[arg(
        long, value_name = "TYPE=VALUES", allow_hyphen_values = true,
        help = tell("What the grids vary", "グリッドごとに変えるもの"),
    )]
    pub z: Option<String>,
    #[arg(
        long, value_name = "PRESET|VECTOR",
        help = tell(
            "What XYZ stands for before an axis changes it [default: the preset XYZ, or 1 for every block]",
            "軸が変える前の XYZ の値 [既定: プリセット XYZ、なければすべてのブロックが 1]"
        ),
    )]
    pub base: Option<String>,
    #[arg(
        long,
        help = tell(
            "Copy repeated vectors as the extension does, also from another seed, and start from its 17 ones",
            "同じベクトルの画像を、シードが違っても拡張機能と同じように使い回し、17 個の 1 から始めます"
        ),
    )]
    pub webui_quirks: bool,
    #[arg(
        long, default_value_t = MAX_CELLS, value_name = "N",
        help = tell("The most cells of all grids together", "全グリッドのマスの数の上限"),
    )]
    pub max_cells: usize,
    #[arg(
        long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(i64::from(MIN_CELL_SIZE)..),
        help = tell(
            "Shrink cells in the grid to this many pixels (the longer side); the cells' own files stay as they are",
            "グリッドのマスをこの大きさ (長辺のピクセル数) に縮めます。マスのファイルはそのままです"
        ),
    )]
    pub cell_size: Option<u32>,
    #[arg(
        long, value_name = "FILE",
        help = tell(
            "A font file for the labels, asked before the built-in font and those of the system",
            "ラベルのフォントのファイル。内蔵とシステムのフォントより先に使います"
        ),
    )]
    pub font: Option<PathBuf>,
    #[arg(
        short, long, value_name = "DIR",
        help = tell(
            "The folder for cells and grids; the same plot goes on in it [default: lbw-out/xyz-ID, ID telling plots apart]",
            "マスとグリッドのフォルダー。同じプロットは続きから始まります [既定: lbw-out/xyz-ID、ID はプロットごとに違います]"
        ),
    )]
    pub output: Option<PathBuf>,
    #[arg(
        long,
        help = tell(
            "Stop before drawing: check everything and say what would be drawn",
            "描く前に止めます。すべてを確かめ、何を描くかを示します"
        ),
    )]
    pub dry_run: bool,
    #[arg(
        long,
        help = tell("Print what was drawn as one line of JSON, and no progress", "描いたものを JSON の 1 行で出力し、進捗は出しません"),
    )]
    pub json: bool,
    #[command(flatten)]
    pub prompt: PromptArgs,
    #[command(flatten)]
    pub places: PlaceArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
    #[command(flatten)]
    pub via: ViaArgs,
}

impl XyzArgs {
    pub fn wish(&self) -> Wish {
        Wish {
            axes: [self.x.clone(), self.y.clone(), self.z.clone()],
            base: self.base.clone(),
            webui_quirks: self.webui_quirks,
            max_cells: self.max_cells,
            cell_size: self.cell_size,
            font: self.font.clone(),
            output: self.output.clone(),
        }
    }
}
