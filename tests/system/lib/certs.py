"""Certificates that are wrong in one way each, from the CA that make_certs.sh made. ECDSA P-256, by openssl."""
import os
import shutil
import subprocess


def openssl(*arguments, cwd):
    done = subprocess.run(["openssl", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")


def make_ca(folder, name, subject):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.pem", "-days", "30", "-subj", f"/CN={subject}", "-addext",
            "keyUsage=critical,keyCertSign,cRLSign", cwd=folder)


def make_leaf(folder, name, ca, subject, usage, san, expired=False, dates=None):
    """`expired`: valid for a day of 2020; `dates`: first and last, as YYMMDDHHMMSSZ.

    Only `openssl ca` can date a certificate in this version."""
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={subject}", cwd=folder)
    os.chmod(os.path.join(folder, f"{name}.key"), 0o600)
    extensions = (f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usage}\n"
                  f"subjectAltName={san}\n")
    with open(os.path.join(folder, f"{name}.cnf"), "w", encoding="ascii") as f:
        f.write("[ca]\ndefault_ca=c\n[c]\ndatabase=ca.db/index\nserial=ca.db/serial\nnew_certs_dir=ca.db\n"
                "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[ext]\n" + extensions)
    database = os.path.join(folder, "ca.db")
    if not os.path.isdir(database):
        os.makedirs(database)
        open(os.path.join(database, "index"), "w", encoding="ascii").close()
    if dates is None:
        dates = ("200101000000Z", "200102000000Z" if expired else "491231000000Z")
    openssl("ca", "-batch", "-rand_serial", "-notext", "-config", f"{name}.cnf", "-extensions", "ext", "-cert",
            f"{ca}.pem", "-keyfile", f"{ca}.key", "-startdate", dates[0], "-enddate", dates[1], "-in", f"{name}.csr",
            "-out", f"{name}.pem", cwd=folder)
    shutil.rmtree(database)
