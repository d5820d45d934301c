// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace moecal::bench {

/// The network devices of this host with the rates that the kernel gives them, in the order of
/// their names: "eth0 25000 Mb/s, eth1 (down), mlx5_0 400 Gb/sec (4X NDR)". Bonds, VLANs and, in
/// a container, its own devices are among them; bridges, tunnels and the host's ends of containers'
/// cables, which come and go, are not. Empty if there is none.
[[nodiscard]] std::string network_devices(const std::string& sysfs_class = "/sys/class");

}  // namespace moecal::bench
