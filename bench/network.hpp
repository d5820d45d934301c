// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::bench {

/// The network devices of this host with the rates that the kernel gives them, in the order of
/// their names: "eth0 25000 Mb/s, mlx5_0 400 Gb/sec (4X NDR)". Those of containers and tunnels,
/// which come and go, are left out. Empty if there is none.
[[nodiscard]] std::string network_devices(const std::string& sysfs_class = "/sys/class");

}  // namespace moecal::bench
