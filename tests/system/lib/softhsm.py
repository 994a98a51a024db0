"""A token in files: Debian's SoftHSM, with a folder of its own."""
import os

LIBRARY = "/usr/lib/softhsm/libsofthsm2.so"
PIN, OFFICER = "271828", "16180339"


class Token:
    """A SoftHSM of its own with one token, its pin in a file."""

    def __init__(self, world, label="gateway", library=LIBRARY):
        self.world, self.label, self.library = world, label, library
        self.folder = world.path("hsm")
        os.makedirs(self.folder)
        os.environ["SOFTHSM2_CONF"] = world.write(
            "softhsm.conf", f"directories.tokendir = {self.folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
        world.run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", OFFICER)
        self.write_pin(PIN)

    def write_pin(self, pin, mode=0o600):
        self.pin_file = self.world.write("pin", pin + "\n")
        os.chmod(self.pin_file, mode)

    def uri(self, key="object=identity", pin=True):
        source = f"&pin-source=file:{self.world.path('pin')}" if pin else ""
        return f"pkcs11:token={self.label};{key}?module-path={self.library}{source}"

    def take_away(self):
        (self.place,) = [os.path.join(self.folder, name) for name in os.listdir(self.folder)]
        os.rename(self.place, self.world.path("away"))

    def bring_back(self):
        os.rename(self.world.path("away"), self.place)
