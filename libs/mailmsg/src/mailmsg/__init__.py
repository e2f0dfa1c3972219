"""What a message is: headers, addresses, the MIME tree with offsets, delivery status notifications."""
