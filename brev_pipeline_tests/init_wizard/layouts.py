"""Layouts of the kinds that public sets of inspection and medicine have, drawn by code, with what is true of them.

Each kind gives files and, for each photo, the physical item (or patient) and the class, known by construction. Sizes,
numbers and their gaps are drawn; names are of the kind, not of a set.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from brev_pipeline.init_wizard import FileSurvey

Draw = random.Random
DEFECTS = ("crack", "scratch", "blowhole", "rolled-in_scale", "pitted_surface", "stain")


@dataclass(frozen=True)
class Texts(FileSurvey):
    """Files that are nowhere, with what the texts among them hold."""

    texts: dict[str, str] = field(default_factory=dict)

    def read_head(self, path: str, most: int = 1 << 18) -> bytes:
        return self.texts.get(path, "").encode()[:most]


@dataclass
class Layout:
    """Files, and what is true of the photos among them."""

    item: dict[str, str] = field(default_factory=dict)
    """Photo → the item that it shows."""
    category: dict[str, str | None] = field(default_factory=dict)
    """Photo → its class; None where no path says it."""
    side: dict[str, str] = field(default_factory=dict)
    """Photo → the word for its side, where a split is given."""
    masks: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """Other files, with what they hold."""

    def add(self, path: str, item: str, category: str | None = None, side: str | None = None) -> None:
        self.item[path], self.category[path] = item, category
        if side:
            self.side[path] = side

    @property
    def survey(self) -> Texts:
        return Texts(sorted([*self.item, *self.masks]), sorted(self.texts), True, texts=self.texts)


def seeds_bucket(draw: Draw, *, classes: tuple[str, ...] = ("good", "bad_cap", "missing_cap")) -> Layout:
    """<class>/<item>_<time>.bmp, an item under one class or two."""
    layout = Layout()
    for item in range(draw.randrange(20, 60)):
        for name in draw.sample(classes, draw.choice([1, 1, 2])):
            for _ in range(draw.randrange(1, 4)):
                at = f"{draw.randrange(2018, 2027)}{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}"
                layout.add(
                    f"{name}/{item:04}_{at}T{draw.randrange(24):02}{draw.randrange(60):02}11.bmp", str(item), name
                )
    return layout


def milliseconds(draw: Draw) -> Layout:
    """<class>/<item>_<ms since 1970>.bmp, numbers that begin anew in each class or do not: nobody can know."""
    layout = Layout()
    for item in range(draw.randrange(20, 60)):
        for name in draw.sample(("ok", "defect"), draw.choice([1, 2])):
            for _ in range(draw.randrange(1, 4)):
                layout.add(f"{name}/{item}_{1531483200123 + draw.randrange(10**9)}.bmp", str(item), name)
    return layout


def same_items_ok_and_defect(draw: Draw) -> Layout:
    """Items in ok/, some of them in defect/ too, numbers from 1 in both."""
    layout, items = Layout(), draw.randrange(30, 60)
    for item in range(1, items + 1):
        for shot in range(1, draw.randrange(2, 5)):
            layout.add(f"ok/{item:03}_{shot}.png", str(item), "ok")
            if item <= items // 2:
                layout.add(f"defect/{item:03}_{shot}.png", str(item), "defect")
    return layout


def patients(draw: Draw, *, given: bool = False) -> Layout:
    """NORMAL/IM-0115-0001.jpeg and PNEUMONIA/person12_bacteria_40.jpeg."""
    layout, number = Layout(), 0
    for person in range(1, draw.randrange(60, 170)):
        side = draw.choice(["train", "train", "train", "test", "val"]) if given else ""
        head = f"{side}/" if given else ""
        if person % 3:
            kind = draw.choice(["bacteria", "virus"])
            for _ in range(draw.randrange(1, 5)):
                number += 1
                layout.add(f"{head}PNEUMONIA/person{person}_{kind}_{number}.jpeg", f"p{person}", "PNEUMONIA", side)
        else:
            for shot in range(1, draw.randrange(2, 4)):
                layout.add(f"{head}NORMAL/IM-{person:04}-{shot:04}.jpeg", f"n{person}", "NORMAL", side)
    return layout


def patients_numbered_anew(draw: Draw) -> Layout:
    """train/sick/person3_12.png and test/sick/person3_2.png: two people, or one on both sides?"""
    layout = Layout()
    for side, count in (("train", draw.randrange(60, 90)), ("test", draw.randrange(30, 50))):
        for person in range(1, count):
            for shot in range(1, draw.randrange(2, 5)):
                name = "sick" if person % 3 else "well"
                layout.add(f"{side}/{name}/person{person}_{shot}.png", str(person), name, side)
    return layout


def patients_flat(draw: Draw) -> Layout:
    """patient<N>_<picture>.png in class folders: the picture's number is no item."""
    layout = Layout()
    for person in range(1, draw.randrange(80, 170)):
        for shot in range(1, draw.randrange(2, 7)):
            layout.add(
                f"{'covid' if person % 2 else 'normal'}/patient{person}_{shot}.png",
                str(person),
                "covid" if person % 2 else "normal",
            )
    return layout


def tissue(draw: Draw) -> Layout:
    """benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_B_A-14-22549AB-40-001.png: a patient at magnifications."""
    layout = Layout()
    kinds = (("benign", "adenosis", "A"), ("benign", "fibroadenoma", "F"), ("malignant", "ductal", "DC"))
    for number in draw.sample(range(1000, 30000), draw.randrange(20, 60)):
        top, name, letters = draw.choice(kinds)
        case = f"{number}{draw.choice('ABCDE')}{draw.choice('ABC')}"
        for zoom in (40, 100, 200):
            for shot in range(1, draw.randrange(3, 9)):
                stem = f"SOB_{top[0].upper()}_{letters}-14-{case}"
                layout.add(
                    f"{top}/SOB/{name}/{stem.replace('-', '_', 1)}/{zoom}X/{stem}-{zoom}-{shot:03}.png", case, top
                )
    return layout


def patches_of_patients(draw: Draw) -> Layout:
    """<patient>/<0|1>/<patient>_idx5_x1001_y1001_class0.png, a thousand each."""
    layout = Layout()
    for patient in draw.sample(range(8000, 17000), draw.randrange(20, 40)):
        for _ in range(draw.randrange(80, 160)):
            label = draw.randrange(2)
            where = f"x{draw.randrange(1, 60) * 50 + 1}_y{draw.randrange(1, 60) * 50 + 1}"
            layout.add(f"{patient}/{label}/{patient}_idx5_{where}_class{label}.png", str(patient), str(label))
    return layout


def masks_in_a_tree(draw: Draw, *, products: int = 3) -> Layout:
    """<product>/train/good/000.png, test/<defect>/000.png, ground_truth/<defect>/000_mask.png."""
    layout = Layout()
    for product in [f"{word}" for word in ("bottle", "cable", "tile")[:products]]:
        for number in range(draw.randrange(30, 60)):
            path = f"{product}/train/good/{number:03}.png"
            layout.add(path, path, "good", "train")
        for defect in ("good", *draw.sample(DEFECTS, 3)):
            for number in range(draw.randrange(8, 20)):
                path = f"{product}/test/{defect}/{number:03}.png"
                layout.add(path, path, defect, "test")
                if defect != "good":
                    layout.masks.append(f"{product}/ground_truth/{defect}/{number:03}_mask.png")
    return layout


def masks_by_folder(draw: Draw) -> Layout:
    """<product>/Data/Images/Anomaly/000.JPG with <product>/Data/Masks/Anomaly/000.png."""
    layout = Layout()
    for product in ("candle", "pcb1"):
        for number in range(draw.randrange(30, 60)):
            layout.add(f"{product}/Data/Images/Normal/{number:04}.JPG", f"{product}/Normal/{number}", "Normal")
        for number in range(draw.randrange(10, 25)):
            layout.add(f"{product}/Data/Images/Anomaly/{number:03}.JPG", f"{product}/Anomaly/{number}", "Anomaly")
            layout.masks.append(f"{product}/Data/Masks/Anomaly/{number:03}.png")
    return layout


def same_names_in_masks(draw: Draw) -> Layout:
    """images/17.png with masks/17.png: only the folder tells them apart."""
    layout = Layout()
    for number in draw.sample(range(10000), draw.randrange(40, 90)):
        layout.add(f"images/{number}.png", str(number))
        layout.masks.append(f"masks/{number}.png")
    return layout


def label_folders(draw: Draw) -> Layout:
    """Class1/Train/0576.PNG with Class1/Train/Label/0576_label.PNG."""
    layout = Layout()
    for name in ("Class1", "Class2", "Class3", "Class4"):
        for number in range(1, draw.randrange(60, 90)):
            side = draw.choice(["Train", "Test"])
            path = f"{name}/{side}/{number:04}.PNG"
            layout.add(path, f"{name}/{number}", name, side)
            if number % 7 == 0:
                layout.masks.append(f"{name}/{side}/Label/{number:04}_label.PNG")
    return layout


def ground_truth_beside(draw: Draw) -> Layout:
    """train/10000.png with train/10000_GT.png, no class."""
    layout = Layout()
    for side, start in (("train", 10000), ("test", 20000)):
        for number in range(start, start + draw.randrange(40, 90)):
            layout.add(f"{side}/{number}.png", str(number), None, side)
            layout.masks.append(f"{side}/{number}_GT.png")
    return layout


def numbered_masks(draw: Draw) -> Layout:
    """benign/benign (1).png with benign/benign (1)_mask.png, and a second mask now and then."""
    layout = Layout()
    for name in ("benign", "malignant", "normal"):
        for number in range(1, draw.randrange(20, 50)):
            layout.add(f"{name}/{name} ({number}).png", f"{name} {number}", name)
            layout.masks.append(f"{name}/{name} ({number})_mask.png")
            if number % 9 == 0:
                layout.masks.append(f"{name}/{name} ({number})_mask_1.png")
    return layout


def class_in_names(draw: Draw) -> Layout:
    """All in one folder: Cr_12.bmp, Pa_3.bmp."""
    layout = Layout()
    for name in draw.sample((*DEFECTS, "Cr", "Pa", "In"), 5):
        for number in range(1, draw.randrange(30, 60)):
            layout.add(f"IMAGES/{name}_{number}.bmp", f"{name}_{number}", name)
    return layout


def class_in_the_middle(draw: Draw) -> Layout:
    """P01-V0-benign-0.png: patient, visit, class, photo; some patients have photos of both classes."""
    layout = Layout()
    for patient in range(1, draw.randrange(30, 50)):
        for name in draw.sample(("benign", "malignant"), draw.choice([1, 1, 2])):
            for visit in range(draw.randrange(1, 3)):
                for shot in range(2):
                    layout.add(f"P{patient:02}-V{visit}-{name}-{shot}.png", str(patient), name)
    return layout


def class_behind_a_camera(draw: Draw) -> Layout:
    """20240101_cam2_scratch_003.jpg: day, camera, class, a running number."""
    layout = Layout()
    for number in range(draw.randrange(90, 150)):
        name = draw.choice(["scratch", "dent", "good"])
        day = f"202401{draw.randrange(1, 29):02}"
        layout.add(f"{day}_cam{draw.randrange(1, 4)}_{name}_{number:03}.jpg", str(number), name)
    return layout


def class_at_the_end(draw: Draw, *, views: tuple[str, ...] = ("",)) -> Layout:
    """IMG_0001_ok.png, or IMG_0001_left_ok.png."""
    layout = Layout()
    for number in range(draw.randrange(50, 90)):
        name = draw.choice(["ok", "scratch"])
        for view in views:
            layout.add(f"IMG_{number:04}_{view}{name}.png", str(number), name)
    return layout


def class_beside_a_site(draw: Draw) -> Layout:
    """0001_berlin_ok.png: two places with words, one of them known."""
    layout = Layout()
    for number in range(draw.randrange(80, 120)):
        name = draw.choice(["ok", "nok"])
        layout.add(f"{number:04}_{draw.choice(['berlin', 'munich'])}_{name}.png", str(number), name)
    return layout


def unknown_words(draw: Draw) -> Layout:
    """0001_cat_2.png: words that may be classes, and may be places or people."""
    layout = Layout()
    for item in range(draw.randrange(40, 60)):
        name = draw.choice(["cat", "dog"])
        for shot in range(2):
            layout.add(f"{item:04}_{name}_{shot}.png", str(item), name)
    return layout


def people_before_a_class(draw: Draw) -> Layout:
    """anna-benign-07.png: few people, whose photos are of both classes."""
    layout = Layout()
    for person in ("anna", "bert", "carl", "dora"):
        for shot in range(draw.randrange(25, 35)):
            name = draw.choice(["benign", "malignant"])
            layout.add(f"{person}-{name}-{shot:02}.png", person, name)
    return layout


def class_beside_folders(draw: Draw) -> Layout:
    """berlin/0001_ok.png: folders with names, and known words in the names of files."""
    layout = Layout()
    for number in range(draw.randrange(80, 120)):
        site, name = draw.choice(["berlin", "munich"]), draw.choice(["ok", "nok"])
        layout.add(f"{site}/{number:04}_{name}.png", str(number), site)
    return layout


def boards(draw: Draw) -> Layout:
    """images/Missing_hole/01_missing_hole_07.jpg: few boards, each with every defect."""
    layout = Layout()
    for name in ("Missing_hole", "Mouse_bite", "Open_circuit", "Short", "Spur"):
        for board in (1, 4, 5, 6, 7, 8, 9, 10, 11, 12):
            for number in range(1, draw.randrange(8, 14)):
                path = f"images/{name}/{board:02}_{name.lower()}_{number:02}.jpg"
                layout.add(path, str(board), name)
                layout.texts[f"Annotations/{name}/{board:02}_{name.lower()}_{number:02}.xml"] = "<annotation/>"
    return layout


def castings(draw: Draw) -> Layout:
    """train/ok_front/cast_ok_0_1018.jpeg: each photo its own number."""
    layout = Layout()
    for label, word in (("ok_front", "ok"), ("def_front", "def")):
        for number in draw.sample(range(10000), draw.randrange(120, 200)):
            side = draw.choice(["train", "train", "test"])
            layout.add(f"{side}/{label}/cast_{word}_0_{number}.jpeg", f"{word}{number}", label, side)
    return layout


def positive_negative(draw: Draw) -> Layout:
    """Negative/00001.jpg, Positive/00001.jpg: running numbers."""
    layout = Layout()
    for name in ("Negative", "Positive"):
        for number in range(1, draw.randrange(60, 200)):
            layout.add(f"{name}/{number:05}.jpg", f"{name}/{number}", name)
    return layout


def image_folder(draw: Draw) -> Layout:
    """<side>/<class>/<number>.jpg with numbers that begin anew."""
    layout = Layout()
    for side, count in (("train", 80), ("val", 20), ("test", 30)):
        for name in ("cat", "dog", "ship"):
            for number in range(draw.randrange(count - 10, count)):
                layout.add(f"{side}/{name}/{number:04}.jpg", f"{side}/{name}/{number}", name, side)
    return layout


def folder_per_item(draw: Draw, *, classes: bool = True) -> Layout:
    """ok/vial17/top_1.png: one folder for each item."""
    layout = Layout()
    for item in range(1, draw.randrange(25, 60)):
        name = draw.choice(["ok", "defect"]) if classes else None
        for shot in range(draw.randrange(3, 9)):
            head = f"{name}/" if name else "data/"
            layout.add(f"{head}vial{item:02}/Part{shot}.jpg", str(item), name)
    return layout


def line_and_day(draw: Draw) -> Layout:
    """line1/2024-01-03/ok/0017_1.png: the same item may come by on two lines."""
    layout = Layout()
    for item in range(draw.randrange(100, 200)):
        for shot in range(1, draw.randrange(2, 4)):
            day = f"line{draw.randrange(1, 3)}/2024-01-{draw.randrange(1, 29):02}"
            name = "ok" if item % 5 else "nok"
            layout.add(f"{day}/{name}/{item:04}_{shot}.png", str(item), name)
    return layout


def views(draw: Draw) -> Layout:
    """good/17_left.png, good/17_right.png: views of a thing, not classes."""
    layout = Layout()
    for item in range(1, draw.randrange(40, 90)):
        for view in ("left", "right", "top"):
            layout.add(f"parts/{item}_{view}.png", str(item), "parts")
    return layout


def cameras(draw: Draw) -> Layout:
    """good/cam2_vial17_3.png: the camera comes first."""
    layout = Layout()
    for item in range(draw.randrange(40, 90)):
        name = draw.choice(["good", "bad"])
        for shot in range(draw.randrange(1, 5)):
            layout.add(f"{name}/cam{draw.randrange(1, 4)}_vial{item}_{shot}.png", str(item), name)
    return layout


def strips(draw: Draw) -> Layout:
    """<1…10>/img_02_425382900_00002.jpg: numbered classes, camera, strip, frame."""
    layout = Layout()
    for strip in draw.sample(range(425000000, 426000000), draw.randrange(150, 250)):
        for _ in range(draw.randrange(2, 9)):
            name = str(draw.randrange(1, 6))
            path = f"{name}/img_{draw.randrange(1, 5):02}_{strip}_{draw.randrange(1, 99):05}.jpg"
            layout.add(path, str(strip), name)
    return layout


def exports(draw: Draw) -> Layout:
    """train/images/IMG_1234_jpg.rf.<hash>.jpg: several augmented exports of one photo."""
    layout = Layout()
    for number in draw.sample(range(1000, 9999), draw.randrange(60, 120)):
        side = draw.choice(["train", "train", "valid", "test"])
        for _ in range(draw.randrange(1, 4)):
            digest = f"{draw.getrandbits(128):032x}"
            layout.add(f"{side}/images/IMG_{number}_jpg.rf.{digest}.jpg", str(number), None, side)
            layout.texts[f"{side}/labels/IMG_{number}_jpg.rf.{digest}.txt"] = "0 0.5 0.5 0.1 0.1"
    layout.texts["data.yaml"] = "train: ../train/images\nnc: 2\nnames: ['crack', 'stain']\n"
    return layout


def table_of_labels(draw: Draw, *, ending: str = "csv") -> Layout:
    """images/ISIC_0024306.jpg and a table with the classes."""
    layout, rows = Layout(), []
    for number in draw.sample(range(24000, 35000), draw.randrange(60, 120)):
        layout.add(f"images/ISIC_{number:07}.jpg", str(number))
        rows.append(
            f"ISIC_{number:07},nv" if ending == "csv" else f'{{"file_name": "ISIC_{number:07}.jpg", "label": 1}}'
        )
    layout.texts[f"metadata.{ending}"] = "image_id,dx\n" * (ending == "csv") + "\n".join(rows)
    return layout


def coco(draw: Draw) -> Layout:
    """train/000123.jpg, val/000456.jpg, annotations/instances_train.json."""
    layout = Layout()
    for number in draw.sample(range(500000), draw.randrange(60, 120)):
        side = draw.choice(["train2017", "val2017"])
        layout.add(f"{side}/{number:012}.jpg", str(number), None, side)
    layout.texts["annotations/instances_train2017.json"] = '{"images": [], "annotations": [], "categories": []}'
    return layout


def lists_of_files(draw: Draw) -> Layout:
    """JPEGImages/Part_00012.jpg, Annotations/*.xml, ImageSets/Main/train.txt."""
    layout = Layout()
    names: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for number in range(draw.randrange(60, 120)):
        side = draw.choice(list(names))
        names[side].append(f"Part_{number:05}")
        layout.add(f"VOC/JPEGImages/Part_{number:05}.jpg", str(number), None, side)
        layout.texts[f"VOC/Annotations/Part_{number:05}.xml"] = "<annotation/>"
    for side, lines in (*names.items(), ("trainval", names["train"] + names["val"])):
        layout.texts[f"VOC/ImageSets/Main/{side}.txt"] = "\n".join(lines) + "\n"
    return layout


def only_times(draw: Draw) -> Layout:
    """ok/20240103T101500.bmp: three photos of a thing within seconds; the names do not say of which."""
    layout = Layout()
    for item in range(draw.randrange(30, 60)):
        minute = (
            f"2024{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}T{draw.randrange(24):02}{draw.randrange(60):02}"
        )
        for second in (10, 12, 14):
            layout.add(f"{'ok' if item % 3 else 'nok'}/{minute}{second}.bmp", str(item), "ok" if item % 3 else "nok")
    return layout


def frames(draw: Draw) -> Layout:
    """ok/frame_00017.png of one film."""
    layout = Layout()
    for number in range(draw.randrange(100, 200)):
        layout.add(
            f"{'ok' if number % 50 < 30 else 'nok'}/frame_{number:05}.png",
            str(number // 10),
            "ok" if number % 50 < 30 else "nok",
        )
    return layout


def films(draw: Draw) -> Layout:
    """ok/video3_frame_00017.png: few films with many frames each."""
    layout = Layout()
    for film in range(1, draw.randrange(10, 14)):
        for number in range(draw.randrange(110, 140)):
            layout.add(
                f"{'ok' if film % 2 else 'nok'}/video{film}_frame_{number:05}.png",
                str(film),
                "ok" if film % 2 else "nok",
            )
    return layout


def names_of_people(draw: Draw) -> Layout:
    """ok/alice_1.png: the thing is a word."""
    layout = Layout()
    for person in range(draw.randrange(20, 26)):
        name = "".join(chr(97 + (person * 7 + place * 11) % 26) for place in range(5)) + "xyzuvw"[person % 6]
        for shot in range(1, draw.randrange(3, 7)):
            layout.add(f"{'ok' if shot % 2 else 'nok'}/{name}_{shot}.png", name, "ok" if shot % 2 else "nok")
    return layout


def hashes(draw: Draw) -> Layout:
    """<class>/0002cc93b.jpg: the name says nothing."""
    layout = Layout()
    for _ in range(draw.randrange(60, 150)):
        digest, name = f"{draw.getrandbits(36):09x}", draw.choice(["metal", "paper"])
        layout.add(f"{name}/{digest}.jpg", digest, name)
    return layout


def photo_number_first(draw: Draw) -> Layout:
    """good/0001_vial17.png: the photo's number comes first."""
    layout, number = Layout(), 0
    for item in range(1, draw.randrange(30, 60)):
        name = draw.choice(["good", "bad"])
        for _ in range(draw.randrange(1, 5)):
            number += 1
            layout.add(f"{name}/{number:05}_vial{item}.png", str(item), name)
    return layout


def two_numbers(draw: Draw) -> Layout:
    """good/00017_31.png: a number for each photo, and one for each item behind it."""
    layout, number = Layout(), 0
    for item in draw.sample(range(900), draw.randrange(30, 60)):
        name = draw.choice(["good", "bad"])
        for _ in range(draw.randrange(2, 5)):
            number += 1
            layout.add(f"{name}/{number:05}_{item}.png", str(item), name)
    return layout


def class_number_first(draw: Draw) -> Layout:
    """3/3_00017_2.png: the class once more, the item, its photos."""
    layout = Layout()
    for name in range(5):
        for item in range(draw.randrange(20, 40)):
            for shot in range(1, draw.randrange(2, 4)):
                layout.add(f"{name}/{name}_{item:05}_{shot}.png", f"{name}-{item}", str(name))
    return layout


def crops_of_walls(draw: Draw) -> Layout:
    """D/CD/7001-115.jpg: crops of large photos, cracked and not."""
    layout = Layout()
    for top in "DPW":
        for source in draw.sample(range(7001, 7300), draw.randrange(15, 30)):
            for crop in draw.sample(range(1, 257), draw.randrange(10, 30)):
                name = f"{draw.choice('CU')}{top}"
                layout.add(f"{top}/{name}/{source}-{crop}.jpg", str(source), name)
    return layout


def cells_of_patients(draw: Draw) -> Layout:
    """Parasitized/C100P61ThinF_IMG_20150918_144104_cell_162.png."""
    layout = Layout()
    for patient in draw.sample(range(30, 240), draw.randrange(20, 50)):
        for _ in range(draw.randrange(5, 20)):
            name = draw.choice(["Parasitized", "Uninfected"])
            day = f"2015{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}"
            taken = f"{day}_{draw.randrange(24):02}{draw.randrange(60):02}04"
            layout.add(
                f"{name}/C{patient}P{patient - 9}ThinF_IMG_{taken}_cell_{draw.randrange(300)}.png", str(patient), name
            )
    return layout


def class_above_images(draw: Draw) -> Layout:
    """MT_<class>/Imgs/exp1_num_108719.jpg with the mask beside it as .png, and a picture of the set in the root."""
    layout = Layout()
    for name in ("MT_Free", "MT_Break", "MT_Crack"):
        for number in draw.sample(range(1000, 300000), draw.randrange(250, 300)):
            path = f"{name}/Imgs/exp{draw.randrange(1, 7)}_num_{number}"
            layout.add(f"{path}.jpg", str(number), name)
            layout.masks.append(f"{path}.png")
    layout.masks += ["dataset.jpg", "dataset.png"]
    return layout


def fabrics(draw: Draw) -> Layout:
    """Defect_images/0001_002_00.png, NODefect_images/<fabric>/0105_000_01.png: the class at the root, depths differ."""
    layout = Layout()
    for number in range(1, draw.randrange(60, 110)):
        layout.add(f"Defect_images/{number:04}_{draw.randrange(2, 30):03}_00.png", str(number), "Defect_images")
        layout.masks.append(f"Mask_images/{number:04}_{2:03}_00_mask.png")
    layout.masks = [f"Mask_images/{path[14:-4]}_mask.png" for path in layout.item]
    for fabric in range(5):
        for number in draw.sample(range(200, 900), 20):
            layout.add(f"NODefect_images/23{fabric}881/{number:04}_000_01.png", str(number), "NODefect_images")
    return layout


def template_pairs(draw: Draw) -> Layout:
    """group1/00041/00041000_temp.jpg beside 00041000_test.jpg, boxes in 00041_not/00041000.txt."""
    layout = Layout()
    for group in ("00041", "20085"):
        for number in range(draw.randrange(110, 160)):
            for word in ("temp", "test"):
                layout.add(f"PCB/group{group}/{group}/{group}{number:03}_{word}.jpg", f"{group}{number}")
            layout.texts[f"PCB/group{group}/{group}_not/{group}{number:03}.txt"] = "1 2 3 4 1"
    return layout


def made_of_one(draw: Draw, *, tails: tuple[str, ...] = ("_flip", "_rot90", "_rot180"), head: str = "img") -> Layout:
    """ok/img12.jpg with ok/img12_flip.jpg: what was made of a photo has its name and a tail."""
    layout = Layout()
    for number in draw.sample(range(1000), draw.randrange(60, 90)):
        name = draw.choice(["ok", "nok"])
        for tail in ("", *draw.sample(tails, draw.randrange(1, len(tails) + 1))):
            layout.add(f"{name}/{head}{number}{tail}.jpg", str(number), name)
    return layout


def slides(draw: Draw) -> Layout:
    """MSS/blk-ACDEFG-TCGA-A2-A6DB-01Z-00-DX1.png: the case is letters, digits, or both, as it comes."""
    layout = Layout()
    for _ in range(draw.randrange(40, 60)):
        case = f"TCGA-{draw.choice(['A2', 'BH', 'E9'])}-A{draw.randrange(16**3):03X}"
        name = draw.choice(["MSIMUT", "MSS"])
        for _ in range(8):
            letters = "".join(draw.choices("ACDEFGHIKL", k=12))
            layout.add(f"{name}/blk-{letters}-{case}-01Z-00-DX1.png", case, name)
    return layout


def serials(draw: Draw) -> Layout:
    """ok/SN-28CAEE_top.png: serial numbers that are digits only now and then."""
    layout = Layout()
    for _ in range(draw.randrange(60, 90)):
        serial, name = f"{draw.getrandbits(16):04X}", draw.choice(["ok", "nok"])
        for view in ("top", "bottom", "side"):
            layout.add(f"{name}/SN-{serial}_{view}.png", serial, name)
    return layout


def few_patients(draw: Draw) -> Layout:
    """pos/07_0112.png: few patients with many photos each, which looks like a camera and a running number."""
    layout = Layout()
    for patient in range(1, draw.randrange(9, 12)):
        for shot in range(draw.randrange(110, 130)):
            name = draw.choice(["pos", "neg"])
            layout.add(f"{name}/{patient:02}_{shot:04}.png", str(patient), name)
    return layout


def cameras_without_a_word(draw: Draw) -> Layout:
    """3/img_02_425000066_01558.jpg with few photos of a camera; a strip comes by more than one of them."""
    layout = Layout()
    for _ in range(draw.randrange(330, 390)):
        strip, name = draw.randrange(425000000, 425003000), str(draw.randrange(1, 11))
        path = f"{name}/img_{draw.randrange(1, 5):02}_{strip}_{draw.randrange(1, 2000):05}.jpg"
        layout.add(path, str(strip), name)
    return layout


def surnames(draw: Draw) -> Layout:
    """pos/smith_07.png: few people, whose photos are of both classes."""
    layout = Layout()
    people = ("smith", "jones", "brown", "taylor", "wilson", "evans")
    for person in draw.sample(people, draw.randrange(2, 7)):
        for shot in range(draw.randrange(25, 35)):
            name = draw.choice(["pos", "neg"])
            layout.add(f"{name}/{person}_{shot:02}.png", person, name)
    return layout


def folders_of_few_patients(draw: Draw) -> Layout:
    """pos/01/0001.png: few patients with a folder in each class."""
    layout = Layout()
    for patient in range(1, draw.randrange(8, 12)):
        for shot in range(draw.randrange(130, 160)):
            name = draw.choice(["pos", "neg"])
            layout.add(f"{name}/{patient:02}/{shot:04}.png", str(patient), name)
    return layout


def lots_of_wafers(draw: Draw, *, path: str = "LOT{lot:05}/W{wafer:02}/{name}/die_{x}_{y}.png") -> Layout:
    """LOT00001/W07/ok/die_3_17.png: the wafers' numbers begin anew in each lot."""
    layout = Layout()
    for lot in range(1, draw.randrange(4, 8)):
        for wafer in range(1, 12):
            for _ in range(6):
                name = draw.choice(["ok", "nok"])
                at = path.format(lot=lot, wafer=wafer, name=name, x=draw.randrange(30), y=draw.randrange(30))
                layout.add(at, f"{lot}-{wafer}", name)
    return layout


def days(draw: Draw) -> Layout:
    """20240103/NG/0001.jpg: numbers that begin anew each day."""
    layout = Layout()
    for day in range(1, draw.randrange(8, 20)):
        for number in range(1, draw.randrange(20, 30)):
            name = draw.choice(["NG", "OK"])
            layout.add(f"202401{day:02}/{name}/{number:04}.jpg", f"{day}-{number}", name)
    return layout


def clocks(draw: Draw) -> Layout:
    """2024-01-03/ok/10-15-00-123.bmp: names that are the time of day."""
    layout = Layout()
    for number in range(draw.randrange(120, 160)):
        name = draw.choice(["ok", "ok", "nok"])
        at = f"{draw.randrange(24):02}-{draw.randrange(60):02}-{draw.randrange(60):02}-{draw.randrange(1000):03}"
        layout.add(f"2024-01-{draw.randrange(1, 28):02}/{name}/{at}.bmp", str(number), name)
    return layout


def studies(draw: Draw, *, table: bool = False) -> Layout:
    """train/patient00012/study1/view1_frontal.jpg: views in the names; a table may hold the classes."""
    layout = Layout()
    for side, start in (("train", 1), ("valid", 64540)):
        for patient in range(start, start + draw.randrange(30, 60)):
            for study in range(1, draw.randrange(2, 4)):
                for number, view in enumerate(("frontal", "lateral"), 1):
                    path = f"{side}/patient{patient:05}/study{study}/view{number}_{view}.jpg"
                    layout.add(path, str(patient), None, side)
    if table:
        layout.texts["train.csv"] = "Path,Sex\n" + "\n".join(f"{path},M" for path in layout.item)
    return layout


def names_beside_a_table(draw: Draw) -> Layout:
    """IMAGES/crack_12.bmp and a table that says the classes too."""
    layout = class_in_names(draw)
    rows = [f"{path.rpartition('/')[2]},{name}" for path, name in layout.category.items()]
    layout.texts["labels.csv"] = "\n".join(["image,label", *rows])
    return layout


def shards(draw: Draw, *, folder: str = "images_{:03}/images") -> Layout:
    """images_001/images/00000013_002.png, with an official split of patients in two lists."""
    layout, listed = Layout(), dict[str, list[str]](train_val_list=[], test_list=[])
    for shard in range(1, 5):
        for patient in range(50 * shard, 50 * shard + 50):
            which = "test_list" if draw.random() < 0.2 else "train_val_list"
            for shot in range(draw.randrange(2, 5)):
                name = f"{patient:08}_{shot:03}.png"
                layout.add(f"{folder.format(shard)}/{name}", str(patient), None, which.removesuffix("_list"))
                listed[which].append(name)
    layout.texts |= {f"{name}.txt": "\n".join(lines) for name, lines in listed.items()}
    return layout


def studies_judged(draw: Draw, *, most: int = 1) -> Layout:
    """train/XR_HAND/patient00012/study1_positive/image1.png: the class is the last word of a folder."""
    layout = Layout()
    for side, start in (("train", 1), ("valid", 11185)):
        for patient in range(start, start + draw.randrange(30, 60)):
            for part in draw.sample(("XR_ELBOW", "XR_HAND"), draw.randrange(1, 3)):
                for study in range(1, draw.randrange(1, most + 1) + 1):
                    name = draw.choice(["positive", "negative"])
                    for shot in range(1, draw.randrange(2, 5)):
                        path = f"{side}/{part}/patient{patient:05}/study{study}_{name}/image{shot}.png"
                        layout.add(path, str(patient), name, side)
    return layout


def defects_beneath(draw: Draw) -> Layout:
    """pcb/OK/S0001/pcb_0001_OK_C1.jpg beside pcb/NG/HS/S0001/pcb_0001_NG_HS_C1.jpg: finer classes of one class."""
    layout = Layout()
    for product in ("audiojack", "pcb"):
        for name, folder in (("OK", "OK"), ("HS", "NG/HS"), ("QS", "NG/QS"), ("ZW", "NG/ZW")):
            for item in range(1, draw.randrange(8, 30)):
                for camera in range(1, 6):
                    stem = f"{product}_{item:04}_{folder.replace('/', '_')}_C{camera}"
                    layout.add(f"{product}/{folder}/S{item:04}/{stem}.jpg", f"{product}{name}{item}", name)
    return layout


def barcodes(draw: Draw) -> Layout:
    """ok/1901234567894_20240103101500.png: barcodes, some of which could be milliseconds since 1970."""
    layout = Layout()
    for _ in range(draw.randrange(50, 80)):
        code, name = draw.randrange(10**12, 4 * 10**12), draw.choice(["ok", "nok"])
        for second in range(3):
            at = f"20240103{draw.randrange(10, 24)}{draw.randrange(10, 60)}{second:02}"
            layout.add(f"{name}/{code}_{at}.png", str(code), name)
    return layout


def set_with_a_side(draw: Draw) -> Layout:
    """CRC-VAL-HE-7K/TUM/TUM-TCGA-ABCDEFGH.tif: only a word of the set's name says the side."""
    layout = Layout()
    for folder, count in (("NCT-CRC-HE-100K", 60), ("CRC-VAL-HE-7K", 20)):
        for name in ("ADI", "BACK", "TUM"):
            for _ in range(draw.randrange(count - 10, count)):
                letters = "".join(draw.choices("ACDEFGHIKLMN", k=8))
                layout.add(f"{folder}/{name}/{name}-{letters}.tif", letters, name)
    return layout


_FUNCTIONS: tuple[Callable[[Draw], Layout], ...] = (
    seeds_bucket, milliseconds, same_items_ok_and_defect, patients, patients_numbered_anew, patients_flat, tissue,
    patches_of_patients, masks_in_a_tree, masks_by_folder, same_names_in_masks, label_folders, ground_truth_beside,
    numbered_masks, class_in_names, class_in_the_middle, class_behind_a_camera, class_at_the_end, class_beside_a_site,
    unknown_words, people_before_a_class, class_beside_folders, boards, castings, positive_negative, image_folder,
    folder_per_item, line_and_day, views, cameras, strips, exports, table_of_labels, coco, lists_of_files, only_times,
    frames, films, names_of_people, hashes, photo_number_first, two_numbers, class_number_first, crops_of_walls,
    cells_of_patients, class_above_images, fabrics, template_pairs, made_of_one, slides, serials, few_patients,
    cameras_without_a_word, surnames, folders_of_few_patients, lots_of_wafers, days, clocks,
    studies, names_beside_a_table, shards, studies_judged, defects_beneath, barcodes, set_with_a_side,
)  # fmt: skip
KINDS: dict[str, Callable[[Draw], Layout]] = {function.__name__: function for function in _FUNCTIONS} | {
    "patients_given": partial(patients, given=True),
    "class_behind_a_view": partial(class_at_the_end, views=("left_", "right_")),
    "copies": partial(made_of_one, tails=(" (1)", " (2)", " - Copy"), head="IMG_"),
    "words_after_numbers": partial(made_of_one, tails=("_flip", "_bright"), head=""),
    "lots_in_names": partial(lots_of_wafers, path="{name}/lot{lot}_wafer{wafer:02}_x{x}_y{y}.png"),
    "studies_with_a_table": partial(studies, table=True),
    "parts_of_all": partial(shards, folder="XRAY_images_part_{}"),
    "more_studies_judged": partial(studies_judged, most=3),
    "one_product": partial(masks_in_a_tree, products=1),
    "json_lines": partial(table_of_labels, ending="jsonl"),
    "folder_per_item_without_class": partial(folder_per_item, classes=False),
}
