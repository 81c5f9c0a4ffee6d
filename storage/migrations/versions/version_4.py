"""An epoch's accuracy is stored once; a study knows its search policy, and a shipped objective by its declaration."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.operations import Operations

revision = "4"
down_revision = "3"

# The accuracy of an epoch stands in its metrics. Nothing reads the other columns, and no row takes its id from these
# sequences: the ids are Optuna's.
TABLES = """
ALTER TABLE depthsearch.epochs DROP COLUMN accuracy;
ALTER TABLE depthsearch.checkpoints DROP COLUMN token, DROP COLUMN saved_at;
ALTER TABLE depthsearch.confirmations DROP COLUMN trained_at;
ALTER TABLE depthsearch.networks DROP COLUMN created_at;
ALTER TABLE depthsearch.studies ALTER COLUMN study_id DROP DEFAULT;
ALTER TABLE depthsearch.leases ALTER COLUMN trial_id DROP DEFAULT;
ALTER TABLE depthsearch.checkpoints ALTER COLUMN trial_id DROP DEFAULT;
ALTER TABLE depthsearch.version ALTER COLUMN version DROP DEFAULT;
DROP SEQUENCE depthsearch.studies_study_id_seq, depthsearch.leases_trial_id_seq,
    depthsearch.checkpoints_trial_id_seq, depthsearch.version_version_seq;
"""

# What a trial was trained on told its threads only in a text for people: "x86_64 AVX512, 2 threads".
THREADS = """
INSERT INTO trial_user_attributes (trial_id, key, value_json)
    SELECT trial_id, 'threads', substring(value_json FROM ', ([0-9]+) threads"$')
    FROM trial_user_attributes JOIN trials USING (trial_id) JOIN depthsearch.studies USING (study_id)
    WHERE key = 'hardware' AND value_json ~ ', [0-9]+ threads"$';
UPDATE trial_user_attributes a SET value_json = regexp_replace(value_json, ', [0-9]+ threads"$', '"')
    FROM trials t JOIN depthsearch.studies s USING (study_id) WHERE t.trial_id = a.trial_id AND a.key = 'hardware';
"""

# The objectives that ship with the program: the SHA-256 of their file in version 3, which changed whenever the code
# around them moved, and the hash of what they declare, which has taken its place.
SHIPPED = {
    "cifar-conv": (
        "28432f58ae37adbcffb503d78c3a78467d3c6357e8bdba5d95d365525f3b7d2f",
        "declared:98dc9b69e64d46c8937a14e5534ed95d737320566321d01bcb0804dcfa0b654b",
    ),
    "cifar-depth": (
        "4263b1e50112df61bad3ac584b6ecc6106b6071bc35bf0a96e7cceab407f396d",
        "declared:0735c349f22a9d086cbc3d448fd596c55b75ec9459c7a9e9655c80569d89d696",
    ),
    "cifar-resnet": (
        "0838d53b6fb202b01bc3482e2f430ef6f3d8a51047229de74a01a2e418a734ab",
        "declared:ef4544e5133046f6e406aef5e9240bbd397d759d16540e155b7b8504b0f9ad89",
    ),
    "cifar-selfnorm": (
        "c860867fdedc8154017f85eedfde8985736aa7ec75ab66c96aa40a6d81fd671e",
        "declared:5bd6bf7932fac0c0ab142b3571a85e44af38e59d9ae0e12f34b9fe8047b7326a",
    ),
    "digits-depth": (
        "d0a66929b0434d33d0501cf10919cf16e370de46308825090ada52e1f037ebea",
        "declared:6c7b3a37450d130b034e764a4a35d3e5da0da5b968ee8532e4e3ffdb26b10053",
    ),
    "fashion-activations": (
        "f0df520619b365cc247cac65b4ea4999c185f05fe3248d6a19d370dac530af7b",
        "declared:a47d00d38cb18cadae2e1c6646afaba6c03a122818749691ccc24c600a41d4d5",
    ),
    "fashion-conv": (
        "ef1e0f72650e4834e995842d2e65fc8cabf67b5afc1fcef166cc28a41a35f2f1",
        "declared:2335234daff1587f32554f69462a400a5c8597cad19125ee2e09e379130c9cd3",
    ),
    "fashion-depth": (
        "1cbdd4e66900a92f71855ca096719b1741069dcaab07d971512aa404df36169b",
        "declared:51526dd39cc1c4dd6f5b5e13ef1359afc2f3965b411446197d63f3778a65e687",
    ),
    "fashion-eight": (
        "c6aa957059ae104143ace73252078719f87baee0e15e4fda39fded7700095898",
        "declared:1357c40b15c838b544f1531bb1ae15fa6252ba5ba271b44466b8982e1b78d66c",
    ),
    "fashion-optimizers": (
        "76a9e1b946d253c38c547bf42f066183f0260a9d81ab09d16aa62f743b9ca2cd",
        "declared:0322dffe1e3920649bd3357a45c923d198549ff1434a8a1213a9cafbd65b0f59",
    ),
    "fashion-recurrent": (
        "76d8bb50c9fb29e381ba9c347d246c309710e5d3c98677c7f7180e388104e4f8",
        "declared:c7857da362bd4d0e5ce793f8598b6afda66d727eb32ae5c561f5fa9d723c5d7b",
    ),
    "fashion-regularizers": (
        "28bd3db9c9cb1579fe8f2102b583b25aa82eaa148daea243207cce0d3d8995b0",
        "declared:6b6988d0fbb067a479423642528e91cd62ffbebaeb4fed3d1e3f5eca9437d41a",
    ),
    "fashion-schedules": (
        "42804935c0534a8eed1f1fe393dcd5329b9ba8f681c7d8f86c03d12aeb608d0a",
        "declared:154604c778dc9744aedd8e6d613fd6ad6c981ecf1c4d9cd1c02c69af3dae8af2",
    ),
    "fashion-sparse": (
        "22cf55bf24f08138d9f5fc6da23f5e9f29fd3c68620807e8aa219f0ed5dff503",
        "declared:d11f3fb4d62ed42c1ac3a1dd6aa9b682003491a3650409cdfa1bde93b18c2052",
    ),
    "fashion-transfer": (
        "a2abf683c7d226a12168e797c2df556ed3949cb4d2cc499eb724b0c22b3e14ef",
        "declared:99250ece17faaa3f69d956bfedc4a84080be2bbf2eff3df428cb3bc8df0e5c91",
    ),
}


def upgrade(op: Operations) -> None:
    """Change the tables, the attributes of trials, and the spec of every study."""
    op.execute(TABLES)
    op.execute(THREADS)
    connection = op.get_bind()
    changed = sa.text("UPDATE depthsearch.studies SET spec = :spec WHERE study_id = :study_id").bindparams(
        sa.bindparam("spec", type_=sa.JSON)
    )
    for study_id, spec in connection.execute(sa.text("SELECT study_id, spec FROM depthsearch.studies")).all():
        connection.execute(changed, {"study_id": study_id, "spec": upgrade_spec(spec)})


def upgrade_spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a study's spec as version 4 has it; the hash of a file that does not ship stays."""
    found = spec["objective_hash"]
    of_file, declared = SHIPPED.get(spec["objective"], (None, found))
    return {
        **spec,
        "objective_hash": declared if found == of_file else found,
        "policy": f"{spec['sampler']}/1+{spec['pruner']}/1",
    }
