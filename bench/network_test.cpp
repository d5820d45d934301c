// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "bench/network.hpp"

#include <gtest/gtest.h>

#include "tests/temporary_folder.hpp"

namespace moecal::bench {
namespace {

/// A folder as /sys/class is.
class NetworkDevices : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) const {
    folder.write(path, text + "\n");
  }
  TemporaryFolder folder;
};

TEST_F(NetworkDevices, AreNamedWithTheirRates) {
  write("net/eth1/device/vendor", "0x15b3");
  write("net/eth1/speed", "25000");
  write("net/eth0/device/vendor", "0x15b3");
  write("net/eth0/speed", "-1");
  write("net/docker0/speed", "10000");
  write("net/lo/mtu", "65536");
  write("infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)");
  EXPECT_EQ(network_devices(folder.path()), "eth0, eth1 25000 Mb/s, mlx5_0 400 Gb/sec (4X NDR)");
}

TEST_F(NetworkDevices, MayStandOnOthers) {
  const auto virtual_device = [&](const std::string& name, int index, int below) {
    write("net/" + name + "/ifindex", std::to_string(index));
    write("net/" + name + "/iflink", std::to_string(below));
  };
  virtual_device("lo", 1, 1);
  virtual_device("docker0", 2, 2);
  virtual_device("eth0.7", 3, 9);
  virtual_device("veth41", 4, 8);
  write("net/veth41/master/ifindex", "2");
  virtual_device("sit0", 5, 0);
  virtual_device("bond0", 6, 6);
  write("net/bond0/bonding/mode", "802.3ad 4");
  write("net/bond0/speed", "50000");
  write("net/eth0.7/operstate", "up");
  EXPECT_EQ(network_devices(folder.path()), "bond0 50000 Mb/s, eth0.7");
}

TEST_F(NetworkDevices, AreDownWhereTheKernelSaysSo) {
  write("net/eth0/device/vendor", "0x15b3");
  write("net/eth0/operstate", "down");
  write("infiniband/mlx5_0/ports/1/rate", "400 Gb/sec (4X NDR)");
  write("infiniband/mlx5_0/ports/1/state", "1: DOWN");
  write("infiniband/mlx5_1/ports/1/state", "4: ACTIVE");
  EXPECT_EQ(network_devices(folder.path()),
            "eth0 (down), mlx5_0 400 Gb/sec (4X NDR) (DOWN), mlx5_1");
}

TEST_F(NetworkDevices, MayBeMissing) { EXPECT_EQ(network_devices(folder.path()), ""); }

}  // namespace
}  // namespace moecal::bench
