// Copyright 2026 The hiseg_ros developers
// SPDX-License-Identifier: Apache-2.0
//
// Prints the content of a serialized message: read_message probabilities|signs FILE

#include <cstdio>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fastcdr/Cdr.h"
#include "hiseg_consumer/describe.hpp"
#include "hiseg_ros/msg/detail/probability_map__rosidl_typesupport_fastrtps_cpp.hpp"
#include "hiseg_ros/msg/detail/subclass_masks__rosidl_typesupport_fastrtps_cpp.hpp"

template<class Message>
void describe_file(const std::string & path)
{
  std::ifstream file(path, std::ios::binary);
  std::vector<char> bytes((std::istreambuf_iterator<char>(file)), {});
  eprosima::fastcdr::FastBuffer buffer(bytes.data(), bytes.size());
  eprosima::fastcdr::Cdr cdr(buffer);
  cdr.read_encapsulation();
  Message message;
  hiseg_ros::msg::typesupport_fastrtps_cpp::cdr_deserialize(cdr, message);
  hiseg_consumer::describe(message, {});
}

int main(int argc, char ** argv)
{
  const std::string kind = argc == 3 ? argv[1] : "";
  try {
    if (kind == "probabilities") {
      describe_file<hiseg_ros::msg::ProbabilityMap>(argv[2]);
    } else if (kind == "signs") {
      describe_file<hiseg_ros::msg::SubclassMasks>(argv[2]);
    } else {
      std::fprintf(stderr, "usage: read_message probabilities|signs FILE\n");
      return 2;
    }
  } catch (const std::exception & error) {
    std::fprintf(stderr, "read_message: %s\n", error.what());
    return 1;
  }
  return 0;
}
